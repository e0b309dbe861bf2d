// The calls to /api/v1: the page's only way to data.

const BASE = new URL("../api/v1/", import.meta.url);

/** An answer that is not 2xx, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || (status ? `HTTP ${status}` : "no answer"));
    this.status = status;
  }
}

async function call(method, path, { query = {}, body, file = false } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  const headers = { Accept: file ? "*/*" : "application/json" };
  if (method !== "GET") headers["X-Secmon-Request"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(15_000),
    });
  } catch {
    throw new ApiError(0, {});
  }
  if (answer.status === 204 || answer.status === 202) return null;
  if (file && answer.ok) return answer.blob();
  const json = await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, json ?? {});
  if (json === null) throw new ApiError(answer.status, { title: "not JSON" });
  return json;
}

export const get = (path, query) => call("GET", path, { query });
export const post = (path, body) => call("POST", path, { body });
export const download = (path) => call("GET", path, { file: true });
export const del = (path) => call("DELETE", path);
