// Runs before the first paint, so that a chosen theme never flashes the other one. A file of its own, because a strict
// content security policy refuses inline scripts.
try {
  const choice = localStorage.getItem('esp-theme');
  if (choice === 'light' || choice === 'dark') document.documentElement.dataset.theme = choice;
} catch {
  // Storage may be refused; the system's theme is then used.
}
