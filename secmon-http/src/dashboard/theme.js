// Sets the kept theme before the first paint, so that a dark page never flashes white.
try {
  const kept = localStorage.getItem("secmon.theme");
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
} catch { /* storage is blocked: the system's preference stands */ }
