// The stream of snapshots. The browser reconnects by itself after a broken line, but gives up where the server refuses
// (a sign-in that has ended, a restart): then we look at the page again and start over.

const RETRY_MS = 2000;
const RENEW_MS = 6 * 3600 * 1000;
// The server speaks every second; after this silence the line is dead even if nobody has said so.
const SILENCE_MS = 12_000;

/** Listens to /v1/stream. Handlers: board(snapshot), trouble(detail), lost(). Returns restart(query). */
export function connect(query, handlers) {
  let source = null;
  let retry = null;
  let heard = Date.now();
  let wanted = query;

  function open() {
    clearTimeout(retry);
    source?.close();
    heard = Date.now();
    source = new EventSource(`/v1/stream${wanted}`);
    source.addEventListener("board", (event) => { heard = Date.now(); handlers.board(JSON.parse(event.data)); });
    source.addEventListener("trouble", (event) => { heard = Date.now(); handlers.trouble(JSON.parse(event.data).detail); });
    source.onerror = () => {
      handlers.lost();
      if (source.readyState === EventSource.CLOSED) again();
    };
  }

  function again() {
    clearTimeout(retry);
    retry = setTimeout(async () => {
      if (await renewed()) open();
      else again();
    }, RETRY_MS);
  }

  setInterval(() => {
    if (Date.now() - heard < SILENCE_MS || source.readyState === EventSource.CLOSED) return;
    handlers.lost();
    open();
  }, 1000);
  setInterval(renewed, RENEW_MS);
  open();
  return (changed) => { wanted = changed; open(); };
}

/** Asks for the page again, which renews the session. Shows the sign-in form where that has become necessary. */
async function renewed() {
  try {
    const answer = await fetch("/", { cache: "no-store" });
    if (answer.status === 401) location.reload();
    return answer.ok;
  } catch {
    return false;
  }
}
