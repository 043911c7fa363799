// The newest picture and what is said about it. Nothing here decides: words and figures come from the cart.
"use strict";

const STALE_MS = 1000;
const byId = (id) => document.getElementById(id);
const canvas = byId("picture");
const context = canvas.getContext("2d", { alpha: false });
let lastPicture = 0;
let retry = 250;
let socket = null;
let start = null; // where the pointer went down, while a region is drawn

function say(link, words, veil) {
  if (document.body.dataset.link !== link) document.body.dataset.link = link;
  if (byId("words").textContent !== words) byId("words").textContent = words;
  byId("veil").hidden = !veil;
  if (veil) byId("veil").textContent = veil;
}

function percent(value) { return Math.round(100 * value); }

function show(status) {
  if (!status) return;
  const record = status.record;
  const known = record.risk !== null;
  const above = known && record.risk >= status.threshold;
  const side = above ? "above" : "below";
  byId("risk").textContent = known ? `${percent(record.risk)} %` : "withheld";
  byId("risk").className = known ? "" : "withheld";
  byId("range").textContent = known
    ? `${percent(record.low)} to ${percent(record.high)} %, ${status.n} frames` : record.reason;
  byId("category").textContent = known ? `${above ? "▲" : "▼"} ${side} threshold` : "";
  byId("category").className = side;
  byId("interval").setAttribute("class", side);
  byId("interval").setAttribute("x", known ? 100 * record.low : 0);
  byId("interval").setAttribute("width", known ? Math.max(1, 100 * (record.high - record.low)) : 0);
  byId("mark").setAttribute("x", known ? 100 * record.risk - 0.4 : -2);
  byId("notch").setAttribute("x", 100 * status.threshold - 0.25);
  byId("age").textContent = known ? `${Math.round(record.age_ms)} ms` : "–";
  byId("fps").textContent = `${status.fps.toFixed(0)} fps, ${status.width}×${status.height}`;
  byId("dropped").textContent = status.dropped;
  showPoints(status);
  byId("hide").setAttribute("aria-pressed", status.hidden);
  byId("whole").disabled = !status.chosen;
  byId("model").textContent = `${status.model}, ${status.precision}`;
  byId("bundle").textContent = status.bundle;
  byId("words").textContent = record.state;
}

function showPoints(status) {
  const select = byId("point");
  if (select.options.length !== status.points.length) {
    select.replaceChildren(...status.points.map((name) => new Option(name, name)));
  }
  if (document.activeElement !== select) select.value = status.point;
  select.title = `threshold ${percent(status.threshold)} %`;
}

// An order to the cart. What it did is seen in the next status, never assumed here.
function order(change) {
  byId("notice").textContent = "";
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(change));
}

// Where the pointer is, in the picture's own pixels.
function place(event) {
  const box = canvas.getBoundingClientRect();
  const within = (value, size) => Math.round(Math.min(Math.max(value, 0), size));
  return [within((event.clientX - box.left) * canvas.width / box.width, canvas.width),
    within((event.clientY - box.top) * canvas.height / box.height, canvas.height)];
}

function rectangle(from, to) {
  const x = Math.min(from[0], to[0]), y = Math.min(from[1], to[1]);
  return [x, y, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
}

function drawing(on) {
  start = null;
  byId("band").hidden = true;
  byId("region").setAttribute("aria-pressed", on);
  canvas.classList.toggle("drawing", on);
}

function stretch(to) {
  const box = canvas.getBoundingClientRect(), frame = canvas.parentElement.getBoundingClientRect();
  const scale = box.width / canvas.width;
  const [x, y, width, height] = rectangle(start, to);
  const style = byId("band").style;
  style.left = `${box.left - frame.left + x * scale}px`;
  style.top = `${box.top - frame.top + y * scale}px`;
  style.width = `${width * scale}px`;
  style.height = `${height * scale}px`;
  byId("band").hidden = false;
}

canvas.addEventListener("pointerdown", (event) => {
  if (!canvas.classList.contains("drawing")) return;
  canvas.setPointerCapture(event.pointerId);
  start = place(event);
});
canvas.addEventListener("pointermove", (event) => { if (start) stretch(place(event)); });
canvas.addEventListener("pointerup", (event) => {
  if (!start) return;
  order({ roi: rectangle(start, place(event)) });
  drawing(false);
});
canvas.addEventListener("pointercancel", () => drawing(false));
byId("region").addEventListener("click", () => drawing(!canvas.classList.contains("drawing")));
byId("whole").addEventListener("click", () => order({ roi: null }));
byId("point").addEventListener("change", (event) => order({ point: event.target.value }));
const toggle = () => order({ hidden: byId("hide").getAttribute("aria-pressed") !== "true" });
byId("hide").addEventListener("click", toggle);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") drawing(false);
  if (event.key.toLowerCase() === "h" && event.target.tagName !== "SELECT") toggle();
});

async function draw(data) {
  const picture = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  context.drawImage(picture, 0, 0);
  picture.close();
  lastPicture = performance.now();
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const mine = socket = new WebSocket(`${scheme}://${location.host}/live`);
  mine.binaryType = "arraybuffer";
  let status = null;
  mine.onmessage = async (message) => {
    if (typeof message.data === "string") {
      const said = JSON.parse(message.data);
      if (said && said.error) byId("notice").textContent = said.error;
      else status = said;
      return;
    }
    if (message.data.byteLength) {
      await draw(message.data);
      say("live", status.record.state, "");
    }
    show(status);
    if (mine.readyState === WebSocket.OPEN) mine.send("next");
  };
  mine.onopen = () => { retry = 250; };
  mine.onclose = () => {
    setTimeout(connect, retry);
    retry = Math.min(2 * retry, 4000);
  };
}

setInterval(() => {
  const age = performance.now() - lastPicture;
  if (age < STALE_MS) return;
  const words = lastPicture ? `no picture for ${Math.floor(age / 1000)} s` : "waiting for the first picture";
  say("stale", "no picture", words);
  byId("risk").textContent = "withheld";
  byId("risk").className = "withheld";
  byId("range").textContent = words;
  byId("category").textContent = "";
  byId("age").textContent = "–";
  byId("interval").setAttribute("width", 0);
  byId("mark").setAttribute("x", -2);
}, 200);
connect();
