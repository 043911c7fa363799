// The newest picture and what is said about it. Nothing here decides: words and figures come from the cart.
"use strict";

const STALE_MS = 1000;
const byId = (id) => document.getElementById(id);
const canvas = byId("picture");
const context = canvas.getContext("2d", { alpha: false });
let lastPicture = 0;
let retry = 250;

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
  byId("fps").textContent = `${status.fps.toFixed(0)} a second, ${status.width} × ${status.height}`;
  byId("dropped").textContent = status.dropped;
  byId("point").textContent = `${status.point}, ${percent(status.threshold)} %`;
  byId("model").textContent = `${status.model}, ${status.precision}`;
  byId("bundle").textContent = status.bundle;
  byId("words").textContent = record.state;
}

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
  const socket = new WebSocket(`${scheme}://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  let status = null;
  socket.onmessage = async (message) => {
    if (typeof message.data === "string") {
      status = JSON.parse(message.data);
      return;
    }
    if (message.data.byteLength) {
      await draw(message.data);
      say("live", status.record.state, "");
    }
    show(status);
    if (socket.readyState === WebSocket.OPEN) socket.send("next");
  };
  socket.onopen = () => { retry = 250; };
  socket.onclose = () => {
    setTimeout(connect, retry);
    retry = Math.min(2 * retry, 4000);
  };
}

setInterval(() => {
  const age = performance.now() - lastPicture;
  if (age < STALE_MS) return;
  const words = lastPicture ? `no picture for ${Math.floor(age / 1000)} s` : "waiting for the first picture";
  say("stale", byId("words").textContent, words);
  byId("risk").textContent = "withheld";
  byId("risk").className = "withheld";
  byId("range").textContent = words;
  byId("category").textContent = "";
  byId("age").textContent = "–";
  byId("interval").setAttribute("width", 0);
  byId("mark").setAttribute("x", -2);
}, 200);
connect();
