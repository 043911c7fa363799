// The line to the cart: newest picture, at most one waiting behind the one that is being decoded.
const FIRST_RETRY_MS = 250, LAST_RETRY_MS = 4000;

export class Live {
  constructor(hear) {
    this.hear = hear; // {hello, picture(status, bitmap), status, hung, error, closed}
    this.view = "annotated";
    this.retry = FIRST_RETRY_MS;
    this.socket = null;
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live?view=${this.view}`);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    let busy = false, waiting = null;
    const next = () => { if (socket.readyState === WebSocket.OPEN) socket.send("next"); };
    const show = async (data) => {
      busy = true;
      next(); // the cart may send one more while this one is decoded
      const head = new DataView(data).getUint32(0);
      const status = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, head)));
      try {
        const bitmap = await createImageBitmap(new Blob([new Uint8Array(data, 4 + head)], { type: "image/jpeg" }));
        if (socket === this.socket) this.hear.picture(status, bitmap);
      } catch { this.hear.error("a picture could not be decoded"); }
      busy = false;
      if (waiting) { const newer = waiting; waiting = null; show(newer); }
    };
    socket.onmessage = (message) => {
      if (typeof message.data !== "string") {
        if (busy) waiting = message.data; else show(message.data);
        return;
      }
      const said = JSON.parse(message.data);
      if (said.hello) { this.retry = FIRST_RETRY_MS; this.hear.hello(said.hello); return; }
      if (said.error) { this.hear.error(said.error); return; }
      if (said.hung) this.hear.hung(said.hung);
      else if (said.status) this.hear.status(said.status);
      next();
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.hear.closed();
      setTimeout(() => this.connect(), this.retry);
      this.retry = Math.min(2 * this.retry, LAST_RETRY_MS);
    };
  }

  look(view) {
    this.view = view;
    const old = this.socket;
    this.connect();
    if (old) old.close(); // none yet where the address brought a token
  }

  // What an order did is seen in the next status, never assumed.
  order(change) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(change));
  }
}
