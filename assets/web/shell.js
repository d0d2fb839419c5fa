// The frame: theme, the inspector as a drawer on small screens, tabs by address.
const THEME = 'workbench-theme';

export function startShell() {
  let theme = 'dark';
  try {
    theme = localStorage.getItem(THEME) ?? new URLSearchParams(location.search).get('__theme') ?? 'dark';
  } catch { /* storage may be closed; dark it is */ }
  setTheme(theme);
  document.addEventListener('click', (event) => {
    if (event.target.closest('#wb-theme')) {
      setTheme(document.body.classList.contains('dark') ? 'light' : 'dark', true);
    }
    if (event.target.closest('[data-open-demo]')) document.getElementById('seg-demo').click();
    const opener = event.target.closest('#wb-drawer');
    if (opener) {
      const closed = document.body.classList.toggle('wb-drawer-closed');
      opener.setAttribute('aria-expanded', String(!closed));
      opener.textContent = closed ? 'Show controls' : 'Hide controls';
    }
  });
  document.body.dataset.tab = 'segment';
  const wanted = new URLSearchParams(location.search).get('tab');
  if (wanted) openTab(wanted);
  document.addEventListener('click', (event) => {
    const tab = event.target.closest('#wb-tabs > .tab-wrapper [role=tab], #wb-tabs .tab-container [role=tab]');
    if (tab) rememberTab(tab.textContent.trim().toLowerCase());
  });
}

function setTheme(theme, remember = false) {
  document.body.classList.toggle('dark', theme !== 'light');
  if (!remember) return;
  try {
    localStorage.setItem(THEME, theme);
  } catch { /* not remembered then */ }
}

function openTab(name) {
  const tabs = [...document.querySelectorAll('#wb-tabs [role=tab]')];
  const tab = tabs.find((each) => each.textContent.trim().toLowerCase() === name.toLowerCase());
  if (!tab) return;
  tab.click();
  document.body.dataset.tab = name.toLowerCase();
}

function rememberTab(name) {
  document.body.dataset.tab = name;
  const url = new URL(location.href);
  if (name === 'segment') url.searchParams.delete('tab');
  else url.searchParams.set('tab', name);
  history.replaceState(null, '', url);
}
