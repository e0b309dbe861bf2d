// Opens the setup link as a visitor would, and looks at the dashboard.
const { chromium } = require("playwright-core");
const assert = require("node:assert");

const [link, picture] = process.argv.slice(2);

async function main() {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
  const context = await browser.newContext({ viewport: { width: 1400, height: 1500 }, locale: "en-GB" });
  const complaints = [];
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  const origin = new URL(link).origin;
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) complaints.push(`elsewhere: ${request.url()}`);
  });

  // A visitor without a session is asked for a token; that answer is a 401, which the console notes.
  const stranger = await browser.newPage({ locale: "en-GB" });
  await stranger.goto(origin);
  await stranger.getByRole("button", { name: /sign in/i }).waitFor();
  await stranger.close();

  await page.goto(link);
  await page.getByRole("heading", { name: "Verification key" }).waitFor();
  assert(!page.url().includes("setup="), "the secret stays in the address bar");
  await page.getByRole("button", { name: /continue/i }).click();
  for (const rule of ["brute_force", "port_scan", "unauthorized_access", "off_hours"]) {
    await page.getByText(rule).first().waitFor();
  }
  await page.getByText("<script>alert(1)</script>").first().waitFor();
  await page.waitForTimeout(1500);
  const text = await page.locator("body").innerText();
  assert(!/undefined|NaN|\[object/.test(text), "the page shows a value that is none");
  // A clock that is ahead hides nothing, and what it dates is found; letters that turn a text around are shown as such.
  assert(!text.includes("of a clock that is ahead"), "a record of years ahead is the latest");
  await page.getByRole("button", { name: "Show them" }).click();
  await page.getByText("of a clock that is ahead").waitFor();
  const ahead = await page.locator("#records tbody").innerText();
  assert(ahead.includes("\\u202egnp.exe") && ahead.includes("2099"), ahead);
  await page.getByRole("button", { name: "Show those up to now" }).click();
  await page.getByText("<script>alert(1)</script>").first().waitFor();
  // Each chart draws something that can be seen.
  for (const drawn of [
    "#chart-outcomes .arc.success", "#chart-outcomes .arc.failure", "#chart-hours .bar.all", "#chart-hours .bar.failure",
    "#chart-top .bar.failure", ".gauges .gauge .meter",
  ]) {
    const box = await page.locator(drawn).first().boundingBox();
    assert(box && box.width >= 1 && box.height >= 1, `${drawn} is not there`);
  }
  const gauge = await page.locator(".gauge .meter").nth(1).getAttribute("aria-valuenow");
  assert(Number(gauge) > 0 && Number(gauge) <= 100, `the gauge of memory shows ${gauge}`);
  if (picture) await page.screenshot({ path: picture });

  // A search for words, in whatever case and order.
  await page.getByLabel("Words").fill("ALERT script");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tr.record").length === 1);
  await page.getByRole("button", { name: "Clear" }).click();

  // The page Integrity: a verification that is started ends sound, and a proof is downloaded.
  await page.getByRole("link", { name: "Integrity" }).click();
  await page.getByRole("button", { name: "Verify now" }).click();
  await page.getByText(/^Sound/).first().waitFor();
  await page.waitForTimeout(1500);
  await page.getByLabel("Index").fill("0");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download proof" }).click(),
  ]);
  assert.match(download.suggestedFilename(), /^[0-9a-f]{8}-0\.tlog-proof$/);
  const integrity = await page.locator("body").innerText();
  assert(!/undefined|NaN|\[object/.test(integrity), "the page shows a value that is none");
  if (picture) await page.screenshot({ path: picture.replace(/\.png$/, "-integrity.png") });
  const unexpected = complaints.filter((line) => !line.includes("401"));
  assert.deepStrictEqual(unexpected, []);
  await browser.close();
  console.log("the dashboard shows records, incidents and charts, verifies and gives proofs; nothing was loaded from elsewhere");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
