// The list of recordings. Everything is asked for by id and shown as text.
const rows = document.getElementById("rows");
const notice = document.getElementById("notice");

function cell(row, ...content) {
  const td = row.insertCell();
  td.append(...content);
  return td;
}

function button(words, label, pressed, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.setAttribute("aria-label", label);
  if (pressed !== null) made.setAttribute("aria-pressed", String(pressed));
  made.addEventListener("click", act);
  return made;
}

async function change(wanted) {
  const answer = await fetch("/recordings", { method: "POST", body: JSON.stringify(wanted) });
  notice.textContent = answer.ok ? "" : await answer.text();
  await show();
}

function add(clip) {
  const row = rows.insertRow();
  const { about } = clip;
  const seconds = Math.round(about.seconds);
  cell(row, clip.id);
  cell(row, new Date(about.began).toLocaleString());
  cell(row, `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
  cell(row, `${(clip.size / 1e6).toFixed(1)} MB`);
  const left = about.missed ? `without ${about.missed} of ${about.frames + about.missed} pictures: the encoder was too slow` : "";
  cell(row, [left && about.state === "complete" ? "closed in order" : about.state, about.reason, left, about.raw ? "whole picture" : ""].filter(Boolean).join(", "));
  cell(row, ...clip.parts.flatMap((part) => {
    const link = document.createElement("a");
    link.href = `/recordings/${clip.id}/${part}`;
    link.textContent = part;
    return [link, " "];
  }));
  const name = `recording ${clip.id}`;
  cell(row, button(clip.protected ? "yes" : "no", `Protect ${name}`, clip.protected,
    () => change({ id: clip.id, protect: !clip.protected })));
  const remove = button("Delete", `Delete ${name}`, null,
    () => { if (confirm(`Delete ${name} for ever?`)) change({ id: clip.id, delete: true }); });
  remove.disabled = clip.protected || about.state === "recording";
  cell(row, remove);
}

async function show() {
  const answer = await fetch("/recordings/list");
  if (!answer.ok) {
    notice.textContent = await answer.text();
    return;
  }
  const clips = await answer.json();
  rows.replaceChildren();
  clips.forEach(add);
  if (!clips.length) cell(rows.insertRow(), "none yet").colSpan = 8;
}

show();
