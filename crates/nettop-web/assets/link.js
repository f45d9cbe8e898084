// The WebSocket: connects, and connects again for ever; the token goes as a subprotocol, so that it is in no address.

const FIRST_WAIT = 250;
const LONGEST_WAIT = 8000;
/** Without a message for so long, milliseconds, the connection is taken to be dead. */
const SILENCE = 5000;
const TOKEN = "nettop.token";

const encoded = (token) => btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** The token of the address, which is taken out of it, else the one of this tab. */
export function takeToken() {
  const found = /^#t=(.+)$/.exec(location.hash);
  if (found) {
    sessionStorage.setItem(TOKEN, decodeURIComponent(found[1]));
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(TOKEN);
}

export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);

/** Whether a token is good; null where nobody answers. */
export async function isWelcome(token) {
  try {
    const answer = await fetch("/api/stats", { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
    return answer.status !== 401;
  } catch {
    return null;
  }
}

export class Link {
  constructor(token, { heard, told }) {
    Object.assign(this, { token, heard, told, wait: FIRST_WAIT, wishes: new Map() });
    this.connect();
    setInterval(() => this.look(), 1000);
    addEventListener("online", () => this.retry());
  }

  connect() {
    clearTimeout(this.timer);
    this.told({ state: "connecting" });
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/api/v1/stream`, ["nettop.v1", `nettop.token.${encoded(this.token)}`]);
    this.socket = socket;
    this.newest = Date.now();
    socket.onopen = () => {
      this.wait = FIRST_WAIT;
      for (const wish of this.wishes.values()) socket.send(JSON.stringify(wish));
    };
    socket.onmessage = (event) => {
      this.newest = Date.now();
      this.heard(JSON.parse(event.data));
    };
    socket.onclose = () => { if (this.socket === socket) this.lost(); };
  }

  lost() {
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.until = Date.now() + wait;
    this.told({ state: "lost", seconds: Math.ceil(wait / 1000) });
    this.timer = setTimeout(() => this.connect(), wait);
  }

  retry() {
    if (this.socket.readyState >= WebSocket.CLOSING) this.connect();
  }

  look() {
    if (this.socket.readyState === WebSocket.OPEN && Date.now() - this.newest > SILENCE && !document.hidden) {
      this.socket.onclose = null;
      this.socket.close();
      this.lost();
    } else if (this.socket.readyState >= WebSocket.CLOSING && this.until) {
      this.told({ state: "lost", seconds: Math.max(0, Math.ceil((this.until - Date.now()) / 1000)) });
    }
  }

  /** Wishes something, now and after each new connection; null: not any longer. */
  wish(kind, wish) {
    if (wish === null) this.wishes.delete(kind);
    else this.wishes.set(kind, wish);
    this.say(wish ?? { type: "close" });
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
