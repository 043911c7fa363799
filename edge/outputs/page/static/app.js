// What the page shows. Nothing here decides: words and figures come from the cart.
import { Graph } from "./graph.js";
import { Live } from "./live.js";
import { Patient } from "./patient.js";
import { Region, lay } from "./region.js";

const STALE_MS = 1000, HEARD_MS = 2000, CHANGING_MS = 500, LOGGED = 200;
const byId = (id) => document.getElementById(id);
const canvas = byId("picture"), context = canvas.getContext("2d", { alpha: false });
const latency = new Graph(byId("latency"), "Latency", "ms", "#56b4e9");
const drops = new Graph(byId("drops"), "Dropped pictures", "a second", "#e69f00");
// `painted`: what belongs to the picture on the canvas, which may be older than the status; `frozen`: what this page holds.
const now = { status: null, hello: null, painted: null, picture: 0, hiding: false, frozen: null, event: 0, dropped: null, hung: "", heard: -HEARD_MS };

const text = (id, words) => { const part = byId(id); if (part.textContent !== words) part.textContent = words; };
const percent = (value, digits = 0) => (100 * value).toFixed(digits);
// Of a risk and its interval, as the panel has it: 0 and 100 only where it is 0 or 1.
const chance = (value) => value > 0 && value < 1 ? Math.min(Math.max(+percent(value), 1), 99) : percent(value);

const patient = new Patient((words) => complain(words));
const live = new Live({
  hello(hello) {
    now.hello = hello;
    log.known = false;
    document.body.dataset.operator = hello.operator;
    allow();
    byId("box-file").hidden = !hello.black_box;
    text("model", `${hello.model}, ${hello.precision}`);
    text("bundle", hello.bundle);
    text("passport", hello.passport || "none");
    byId("point").replaceChildren(...hello.points.map((point) => new Option(point.name, point.name)));
    byId("grades").replaceChildren(...hello.grades.map((grade) => {
      const button = document.createElement("button");
      button.type = "button"; button.textContent = grade; button.dataset.grade = grade;
      button.disabled = !hello.operator;
      button.addEventListener("click", () => live.order({ grade }));
      return button;
    }));
    byId("enter").hidden = hello.operator;
  },
  picture(status, bitmap) {
    now.picture = performance.now();
    now.hung = "";
    link("live", status.record.state, "");
    if (!now.frozen) {
      paint(bitmap);
      now.painted = { status, annotated: live.view === "annotated" };
    }
    bitmap.close();
    hear(status);
    latency.add(status.latency_ms);
    drops.add(now.dropped === null ? 0 : status.dropped - now.dropped);
    now.dropped = status.dropped;
  },
  status(status) { now.hung = ""; hear(status); },
  hung(seconds) { now.hung = `the cart has not answered for ${Math.round(seconds)} s`; },
  error(words) { complain(words); },
  closed: knock,
});

function hear(status) {
  const before = now.status;
  now.status = status;
  now.heard = performance.now();
  if (status.hidden) now.hiding = false;
  if (now.painted && now.painted.status.case !== status.case) wipe();
  show();
  headline(status.record.state);
  if (document.body.dataset.signal !== status.record.state) document.body.dataset.signal = status.record.state;
  text("threshold", `${percent(status.threshold, 1)} %`);
  const point = now.hello && now.hello.points.find((one) => one.name === status.point);
  const known = point && point.sensitivity !== undefined;
  text("sensitivity", known ? `${percent(point.sensitivity)} % of ${point.malignant}` : "not in this bundle");
  text("specificity", known ? `${percent(point.specificity)} % of ${point.benign}` : "not in this bundle");
  const unknown = known ? "give a prevalence" : "–";
  text("ppv", status.ppv === null ? unknown : `${percent(status.ppv)} %`);
  text("npv", status.npv === null ? unknown : `${percent(status.npv)} %`);
  text("fps", `${status.fps.toFixed(0)} a second, ${status.width}×${status.height}`);
  text("dropped", String(status.dropped));
  text("viewers", status.served_fps ? `${status.viewers}, each gets ${status.served_fps.toFixed(0)} a second` : String(status.viewers));
  text("celsius", status.heat);
  byId("warmth").hidden = !status.heat;
  text("recording", status.recording_text || status.recording_refused || (status.recording ? "on" : "off"));
  text("unrecorded", status.recording_refused || "");
  byId("record").title = status.recording_refused || "";
  press("hide", status.hidden);
  press("record", status.recording_wanted || status.recording); // also where nothing can be written now, to call it off
  allow();
  if (now.hello) patient.see(status.case, now.hello);
  settle("featured", status.features_shown);
  settle("heat", status.heatmap);
  settle("reader", status.second_reader);
  byId("grading").hidden = !status.second_reader;
  for (const button of byId("grades").children) {
    const chosen = button.dataset.grade === status.grade;
    if (button.getAttribute("aria-pressed") !== String(chosen)) button.setAttribute("aria-pressed", chosen);
  }
  settle("point", status.point);
  settle("prevalence", status.prevalence === null ? "" : String(+percent(status.prevalence, 1)));
  settle("panel", status.moved ? "own" : "auto");
  if (!before || before.events !== status.events) log();
  follow(status);
}

// Nothing of the patient before is shown any more.
function wipe() {
  if (now.frozen) {
    thaw();
    complain("a new case has begun: the page is not frozen any more");
  }
  context.clearRect(0, 0, canvas.width, canvas.height);
  now.painted = null;
}

// Buttons that do something now; a box drawn on a picture that is held would be put on another one.
const orders = document.querySelectorAll(".operator");
function allow() {
  const { hello, status, frozen } = now, may = hello && hello.operator && status, held = frozen !== null;
  const idle = may ? { record: status.recording_refused !== null, lesion: held, field: held,
    whole: held || !status.chosen, unmark: held || !status.marked, panel: held, snapshot: held } : {};
  for (const part of orders) {
    const off = !may || Boolean(idle[part.id]);
    if (part.disabled !== off) part.disabled = off;
  }
  text("untouched", held ? "Not on a frozen picture" : "");
}

// What belongs to the picture that is seen: the newest, or the one that this page holds.
function show() {
  const seen = now.frozen ? now.frozen.status : now.status, held = now.frozen && now.frozen.pictures[now.frozen.at];
  const { record, n } = held || seen;
  const hidden = now.hiding || now.status.hidden || (now.status.second_reader && now.status.grade === null);
  estimate(hidden ? { risk: null, reason: now.hiding ? "hidden by the operator" : now.status.record.reason } : record,
    { threshold: now.status.threshold, n });
  if (now.frozen) text("age", `not live: frozen ${clock(now.frozen.since)}${moment(", ")}`);
  text("size", seen.size);
  text("flag", hidden || now.frozen ? "" : seen.contradiction || "");
  list(seen.features);
  strip(hidden ? seen.best.map(([sequence]) => [sequence, null]) : seen.best);
  cover(hidden);
}

function list(features) {
  const rows = byId("features");
  while (rows.children.length > features.length) rows.lastChild.remove();
  features.forEach(([name, value], i) => {
    let row = rows.children[i];
    if (!row) {
      row = document.createElement("div");
      row.append(document.createElement("dt"), document.createElement("dd"));
      rows.append(row);
    }
    if (row.firstChild.textContent !== name) row.firstChild.textContent = name;
    if (row.lastChild.textContent !== value) row.lastChild.textContent = value;
  });
}

// The best pictures of the lesion; each with the risk of that picture alone.
function strip(best) {
  const part = byId("best"), key = JSON.stringify(best);
  if (part.dataset.key === key) return;
  part.dataset.key = key;
  byId("best-title").hidden = part.hidden = !best.length;
  part.replaceChildren(...best.map(([sequence, risk]) => {
    const figure = document.createElement("figure"), picture = document.createElement("img"), words = document.createElement("figcaption");
    picture.src = `/best/${sequence}.jpg`;
    words.textContent = risk === null ? "–" : `${chance(risk)} %`;
    picture.alt = `Picture ${sequence}, risk ${words.textContent}`;
    figure.append(picture, words);
    return figure;
  }));
}

// What a picture is worth, beside the threshold that is in force now.
function estimate(record, { threshold, n }) {
  const known = record.risk !== null;
  const above = known && record.risk >= threshold;
  const side = above ? "above" : "below";
  text("risk", known ? `${chance(record.risk)} %` : "withheld");
  byId("risk").className = known ? "" : "withheld";
  text("range", known ? `${chance(record.low)} to ${chance(record.high)} %${n ? `, ${n} frame${n === 1 ? "" : "s"}` : ""}` : record.reason || "");
  text("category", known ? `${above ? "▲" : "▼"} ${side} threshold` : "");
  byId("category").className = side;
  byId("interval").setAttribute("class", side);
  byId("interval").setAttribute("x", known ? 100 * record.low : 0);
  byId("interval").setAttribute("width", known ? Math.max(1, 100 * (record.high - record.low)) : 0);
  byId("needle").setAttribute("x", known ? 100 * record.risk - 0.4 : -2);
  byId("notch").setAttribute("x", 100 * threshold - 0.25);
  text("age", known && record.age_ms !== null ? `age ${Math.round(record.age_ms)} ms` : "");
}

function withhold(state, words) {
  link("stale", state, words);
  if (now.frozen) return; // the picture that is held is shown as what it is
  text("risk", "withheld");
  byId("risk").className = "withheld";
  text("range", words);
  for (const id of ["category", "age", "flag"]) text(id, "");
  text("size", "no picture");
  list([]);
  byId("interval").setAttribute("width", 0);
  byId("needle").setAttribute("x", -2);
}

function link(state, words, veil) {
  if (document.body.dataset.link !== state) document.body.dataset.link = state;
  headline(words);
  byId("veil").hidden = !veil || now.frozen !== null;
  text("veil", veil);
}

// What the cart says, behind what this page does by itself.
function headline(words) {
  const { frozen } = now, since = frozen && `frozen since ${clock(frozen.since)}`;
  text("words", frozen ? `page ${since}, not live; at the cart: ${words}` : words);
  const cart = document.body.dataset.link === "live" ? "The live picture goes on" : "There is no live picture now";
  if (frozen) text("then", `Page ${since}${moment(", ")}. ${cart}.`);
}

function press(id, on) {
  if (byId(id).getAttribute("aria-pressed") !== String(on)) byId(id).setAttribute("aria-pressed", on);
}

// Shows the cart's value unless the operator is just changing it: what is on its way is older than that.
const changed = {};
addEventListener("change", (event) => { changed[event.target.id] = performance.now(); }, true);
function settle(id, value) {
  const part = byId(id), key = part.type === "checkbox" ? "checked" : "value";
  if (performance.now() - (changed[id] || -CHANGING_MS) < CHANGING_MS) return;
  if ((key === "checked" || document.activeElement !== part) && part[key] !== value) part[key] = value;
}

const clock = (date) => date.toLocaleTimeString();

function say(id, words, standing = false) {
  text(id, words);
  clearTimeout(say[id]);
  if (!standing) say[id] = setTimeout(() => text(id, ""), document.body.dataset.saidMs);
}
const complain = (words) => say("notice", words), announce = (words, standing) => say("done", words, standing);

function paint(bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  context.drawImage(bitmap, 0, 0);
}

// Hides at once what the next pictures come without: the panel and the tint. In a picture that is held the panel would say LIVE.
function cover(hidden) {
  const { frozen, painted } = now, newest = !frozen || frozen.at === frozen.pictures.length - 1;
  const drawn = painted && painted.annotated && newest && (frozen || now.hiding) ? painted.status : null;
  const tinted = drawn && hidden && drawn.heatmap && drawn.record.risk !== null;
  const area = tinted ? [0, 0, canvas.width, canvas.height] : drawn && drawn.panel;
  byId("cover").hidden = !area;
  text("cover", tinted ? "heat map hidden with the risk" : frozen ? "page frozen" : "");
  if (area) lay(byId("cover"), canvas, area);
}

function hide() {
  const on = !now.status.hidden;
  now.hiding = on;
  live.order({ hidden: on });
  show();
  press("hide", on);
}

let drawn = "lesion"; // or "field": what the box stands for
const region = new Region(canvas, byId("box"), (rect) => live.order(drawn === "lesion" ? { lesion: rect } : { roi: rect }));
function editRegion(what) {
  const { status } = now;
  if (what) drawn = what;
  const rect = what === "lesion" ? status.lesion : what === "field" ? status.region : null;
  region.edit(what !== null, rect || (status.region && shrunk(status.region)), what === "field" ? status.chosen : rect !== null, rect === null);
  byId("box").setAttribute("aria-label", `Box around the ${drawn}. Arrow keys move it, Shift and arrow keys change its size, Escape ends.`);
  press("lesion", what === "lesion");
  press("field", what === "field");
}

// The box goes with what it stands for, and goes away with it: where it was is not where it is.
function follow(status) {
  if (!region.settled) return;
  const there = drawn === "lesion" ? status.lesion : status.chosen && region.rect;
  if (there) { region.follow(there); return; }
  editRegion(null);
  if (drawn === "lesion" && status.marked) complain("the lesion is lost: mark it again");
}

// The middle of a box, to begin a lesion's box with.
const shrunk = ([x, y, width, height]) => [x + (width >> 2), y + (height >> 2), width >> 1, height >> 1];

// The panel can be dragged where it disturbs least.
let dragged = null;
canvas.addEventListener("pointerdown", (event) => {
  if (region.editing || now.frozen || !now.status || !now.status.panel || !now.hello.operator || live.view !== "annotated") return;
  const [x, y] = region.at(event), [left, top, width, height] = now.status.panel;
  if (x < left || y < top || x > left + width || y > top + height) return;
  canvas.setPointerCapture(event.pointerId);
  dragged = { dx: x - left, dy: y - top, from: [x, y] };
});
canvas.addEventListener("pointerup", (event) => {
  if (!dragged) return;
  const [x, y] = region.at(event), far = Math.abs(x - dragged.from[0]) + Math.abs(y - dragged.from[1]) > 8;
  if (far) movePanel(x - dragged.dx, y - dragged.dy);
  dragged = null;
});
canvas.addEventListener("pointercancel", () => { dragged = null; });

function movePanel(x, y) {
  const within = (value, size) => Math.min(Math.max(Math.round(value), 0), size - 1);
  live.order({ place: [within(x, canvas.width), within(y, canvas.height)] });
}

byId("panel").addEventListener("change", (event) => {
  const value = event.target.value, margin = Math.round(canvas.height / 60);
  if (value === "auto") live.order({ place: null });
  else if (!now.status.panel) complain("the panel is not moved: there is no picture yet");
  else {
    const [, , width, height] = now.status.panel;
    movePanel(value[1] === "l" ? margin : canvas.width - width - margin,
      value[0] === "t" ? margin : canvas.height - height - margin);
  }
});

// Holds what is seen here; the cart goes on. Older pictures are fetched at once, for the cart soon forgets them.
async function freeze() {
  if (now.frozen) { thaw(); return; }
  if (!now.painted || document.body.dataset.link !== "live") { complain("not frozen: there is no live picture"); return; }
  const { status } = now.painted, pictures = [{ record: status.record, n: status.n }];
  const frozen = now.frozen = { status, since: new Date(), at: 0, pictures };
  editRegion(null);
  held();
  try {
    pictures[0].bitmap = await createImageBitmap(canvas);
    const answer = await fetch("/past");
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const rows = (await answer.json()).filter(({ record }) => record.captured_ns < status.record.captured_ns);
    pictures.unshift(...(await Promise.all(rows.map(older))).filter(Boolean));
    frozen.at = pictures.length - 1;
  } catch (error) { complain(`no older pictures: ${error.message}`); }
  if (now.frozen === frozen) held(); else release(frozen);
}

async function older({ number, record }) {
  try {
    const answer = await fetch(`/past/${number}.jpg`);
    return answer.ok ? { record, bitmap: await createImageBitmap(await answer.blob()) } : null;
  } catch { return null; } // the others are worth having
}

function release({ pictures }) {
  for (const { bitmap } of pictures) if (bitmap) bitmap.close();
}

function thaw() {
  const { frozen } = now;
  const newest = frozen.pictures.at(-1).bitmap;
  if (newest) paint(newest); // which is what `painted` tells of
  now.frozen = null;
  release(frozen);
  held();
}

function held() {
  const { frozen } = now;
  document.body.dataset.held = frozen !== null;
  canvas.setAttribute("aria-label", frozen ? "Frozen ultrasound picture, not live" : "Live ultrasound picture");
  byId("then").hidden = !frozen;
  byId("back").disabled = !frozen || frozen.at <= 0;
  byId("forth").disabled = !frozen || frozen.at >= frozen.pictures.length - 1;
  press("freeze", frozen !== null);
  text("freeze", frozen ? "Go on live" : "Freeze");
  allow();
  headline(now.status.record.state);
  show();
}

// Which picture is held, in words; none of the one that was frozen.
function moment(lead) {
  const { at, pictures, status } = now.frozen;
  const before = (status.record.captured_ns - pictures[at].record.captured_ns) / 1e9;
  return before > 0 ? `${lead}picture ${at + 1} of ${pictures.length}, ${before.toFixed(1)} s earlier` : "";
}

function step(by) {
  const { frozen } = now;
  if (!frozen || !frozen.pictures[frozen.at + by]) return;
  frozen.at += by;
  paint(frozen.pictures[frozen.at].bitmap);
  held();
}

async function snapshot() {
  const answer = await fetch(`/snapshot.jpg?view=${live.view}`);
  if (!answer.ok) { complain((await answer.text()).trim()); return; }
  const file = document.createElement("a");
  file.href = URL.createObjectURL(await answer.blob());
  file.download = now.saved = `sonocart-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jpg`;
  file.click();
  setTimeout(() => URL.revokeObjectURL(file.href), 10000);
  live.order({ snapshot: true });
}

// What has been kept and where, as the cart has noted it.
function kept({ kind, text: words }) {
  const { recording, recording_text: tape } = now.status;
  const noted = recording ? `in the log and ${tape}` : "in the log; nothing is being recorded";
  if (kind === "mark") announce(`Mark kept ${noted}.`);
  if (kind === "snapshot") {
    const file = now.saved ? `kept in this browser's downloads as ${now.saved}` : "taken on another page";
    announce(`Snapshot ${file}.`);
    now.saved = null;
  }
  if (kind === "recording") announce(words === "recording: on" ? "Recording has begun." : "Recording has ended; it is under Recordings.");
  if (kind === "grade" && words.startsWith("grade: ")) announce(`Graded: ${words.replace("grade: ", "")}.`);
  if (kind === "case") {
    const marked = now.status.marked ? "the lesion is still marked" : "no lesion is marked";
    announce(words === "new patient" ? "New patient: nothing of the one before counts." : `A new case has begun: ${marked}.`);
  }
  if (kind === "dicom") announce(`For the archive: ${words}.`);
  if (kind === "black box") {
    const busy = words.endsWith("…"); // which stands until the cart says what became of it
    announce(words.replace("last", "Last") + (busy ? "" : "."), busy);
  }
}

async function log() {
  log.again = true; // also for what is noted while the answer is on its way
  if (log.busy) return;
  log.busy = true;
  try {
    while (log.again) { log.again = false; await fetchLog(); }
  } finally { log.busy = false; }
}

async function fetchLog() {
  const answer = await fetch(`/events?after=${now.event}`);
  if (!answer.ok) return;
  const events = await answer.json(), told = log.known; // what lies in the past is not told as news
  log.known = true;
  for (const event of events) {
    if (told) kept(event);
    now.event = Math.max(now.event, event.number);
    const line = document.createElement("li"), time = document.createElement("time");
    time.dateTime = event.utc;
    time.textContent = new Date(event.utc).toLocaleTimeString();
    line.append(time, ` ${event.text}`);
    line.dataset.kind = event.kind;
    byId("log").prepend(line);
  }
  while (byId("log").children.length > LOGGED) byId("log").lastChild.remove();
}

// The line is gone: because the cart is, or because this visitor has not said who it is.
async function knock() {
  patient.forget();
  announce("");
  now.event = 0;
  byId("log").replaceChildren();
  try {
    const { role } = await (await fetch("/role")).json();
    if (role === "anybody" && !byId("login").open) byId("login").showModal();
  } catch { /* the cart is away; it is tried again */ }
}

async function enter(token) {
  const answer = await fetch("/login", { method: "POST", body: token });
  if (!answer.ok) { text("refused", (await answer.text()).trim()); return; }
  text("refused", "");
  byId("token").value = "";
  byId("login").close();
  live.look(live.view);
}

byId("login").addEventListener("submit", (event) => { event.preventDefault(); enter(byId("token").value); });
byId("enter").addEventListener("click", () => byId("login").showModal());
for (const what of ["lesion", "field"]) {
  byId(what).addEventListener("click", () => editRegion(region.editing && drawn === what ? null : what));
}
byId("unmark").addEventListener("click", () => { editRegion(null); live.order({ lesion: null }); });
byId("whole").addEventListener("click", () => { editRegion(null); live.order({ roi: null }); });
byId("featured").addEventListener("change", (event) => live.order({ features: event.target.checked }));
byId("heat").addEventListener("change", (event) => live.order({ heatmap: event.target.checked }));
byId("view").addEventListener("change", (event) => live.look(event.target.value));
byId("point").addEventListener("change", (event) => live.order({ point: event.target.value }));
byId("prevalence").addEventListener("change", ({ target }) => {
  const { valid } = target.validity;
  target.setAttribute("aria-invalid", !valid);
  text("unlikely", valid ? "" : "Not taken: give a number from 0.1 to 99.9, or nothing.");
  if (valid) live.order({ prevalence: target.value === "" ? null : Number(target.value) / 100 });
});
// The same lesion is before the reader, so its mark goes along into the new case, from where it is now.
byId("reader").addEventListener("change", ({ target }) => {
  const { lesion } = now.status;
  live.order({ second_reader: target.checked, grade: null, ...(lesion && { lesion }) });
});
byId("case").addEventListener("click", () => live.order({ grade: null }));
byId("hide").addEventListener("click", hide);
byId("freeze").addEventListener("click", freeze);
byId("back").addEventListener("click", () => step(-1));
byId("forth").addEventListener("click", () => step(1));
byId("snapshot").addEventListener("click", snapshot);
byId("record").addEventListener("click", () => live.order({ recording: !now.status.recording_wanted }));
byId("box-file").addEventListener("click", () => live.order({ black_box: true }));
byId("mark").addEventListener("click", () => live.order({ mark: `mark at ${new Date().toLocaleTimeString()}` }));

const KEYS = { h: "hide", f: "freeze", s: "snapshot", r: "record", m: "mark" };
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && region.editing) { editRegion(null); byId(drawn).focus(); }
  if (event.repeat && KEYS[event.key.toLowerCase()]) return; // a key that is held asks once
  if (event.ctrlKey || event.metaKey || event.altKey || !byId("keys").checked) return;
  if (["INPUT", "SELECT"].includes(event.target.tagName) && event.target.type !== "checkbox") return;
  const button = byId(KEYS[event.key.toLowerCase()] || "");
  if (button && !button.disabled) button.click();
  if (now.frozen && event.target !== byId("box")) {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  }
});

setInterval(() => {
  const age = performance.now() - now.picture;
  if (age < STALE_MS) return;
  const said = !now.hung && performance.now() - now.heard < HEARD_MS ? now.status.record : null; // the cart knows why
  const waiting = now.picture ? `no picture for ${Math.floor(age / 1000)} s` : "waiting for the first picture";
  withhold(said ? said.state : "no picture", now.hung || (said && said.reason) || waiting);
}, 200);

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  history.replaceState(null, "", location.pathname); // a token must not stay in the address bar
  await enter(given);
}
if (!live.socket) live.connect();
