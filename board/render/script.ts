/**
 * The script of a board: keeps the clocks going and takes changes as they come. It runs in the browser, so it is plain text here.
 *
 * Time is that of the server: the browser's clock is used for differences only.
 */
export const SCRIPT = `
'use strict';
(() => {
  const QUIET = 15000;
  let offset = Number(document.body.dataset.at) - Date.now();
  let heard = Date.now();
  const lost = document.getElementById('lost');
  const pad = (n) => String(n).padStart(2, '0');
  const text = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000)), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return h > 0 ? h + ':' + pad(m) + ':' + pad(s % 60) : m + ':' + pad(s % 60);
  };
  const utc = (ms) => new Date(ms).toISOString().slice(11, 19) + ' UTC';
  const tick = () => {
    const now = Date.now() + offset;
    for (const e of document.querySelectorAll('time[data-up],time[data-down]')) {
      const t = text(e.dataset.up ? now - Number(e.dataset.up) : Number(e.dataset.down) - now);
      if (e.textContent !== t) e.textContent = t;
    }
    document.getElementById('now').textContent = utc(now);
    const quiet = Date.now() - heard > QUIET;
    if (quiet && lost.hidden) lost.textContent = 'The connection to the board is lost. What is shown is the state of ' + utc(heard + offset) + '.';
    lost.hidden = !quiet;
  };
  const listen = () => {
    const source = new EventSource('events?after=' + encodeURIComponent(document.body.dataset.version));
    const take = (change) => (event) => {
      const data = JSON.parse(event.data);
      heard = Date.now();
      offset = data.at - heard;
      if (change) change(data);
      tick();
    };
    source.addEventListener('beat', take());
    source.addEventListener('main', take(({ html }) => { document.getElementById('main').innerHTML = html; }));
    source.addEventListener('parts', take(({ parts }) => {
      for (const [id, html] of parts) {
        const old = document.getElementById(id);
        if (old) old.outerHTML = html;
      }
    }));
    // A browser does not try again when the answer is an error, as while the board restarts.
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
    });
  };
  setInterval(tick, 1000);
  tick();
  listen();
})();
`.trim();
