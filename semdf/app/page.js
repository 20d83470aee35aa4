"use strict";

const at = (id) => document.getElementById(id);
// as many as the largest label hierarchy has nodes, so that no two curves look alike
const COLOURS = ["#b3261e", "#3366cc", "#1b6e3c", "#8a5a00", "#7b3fa0", "#008b8b", "#d6438a", "#5a6b7b", "#9aa400", "#e07b00", "#6d4c41", "#00a86b"];
const KINDS = { "forged": "forged", "no sign of forgery found": "none" };
let largest = Infinity;

fetch("about").then((answer) => answer.json()).then((about) => {
  largest = about.largest;
  at("limit").textContent = about.limit;
});

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function refuse(text) {
  at("work").hidden = true;
  at("refused").hidden = false;
  at("refused").textContent = text;
}

async function judge(file) {
  at("refused").hidden = at("result").hidden = true;
  if (file.size > largest) {
    refuse(`${file.name}: must have at most ${largest} bytes, found ${file.size}`);
    return;
  }
  at("work").hidden = false;
  at("done").removeAttribute("value");
  at("doing").textContent = "sending the file to this machine's server";
  at("file").disabled = true;
  try {
    const headers = { "X-Semdf-Name": encodeURIComponent(file.name) };
    const answer = await fetch("judge", { method: "POST", body: file, headers });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      lines.forEach((line) => tell(JSON.parse(line)));
    }
  } catch (error) {
    refuse(`${file.name}: must be answered by the server, found: ${error.message}`);
  } finally {
    at("work").hidden = true;
    at("file").disabled = false;
    at("file").value = "";
  }
}

function tell(line) {
  if (line.progress) {
    at("doing").textContent = line.progress[0];
    at("done").value = line.progress[1];
  }
  if (line.refused) refuse(line.refused);
  if (line.result) show(line.result);
}

function show(result) {
  at("name").textContent = result.name;
  const amiss = result.status === "ok" ? "" : ` (${result.status})`;
  at("chosen").textContent = result.chosen + amiss;
  at("image").src = result.picture.data;
  document.querySelectorAll(".box").forEach((old) => old.remove());
  at("faces").replaceChildren();
  result.faces.forEach((face, place) => {
    const kind = KINDS[face.answer] || "unsure";
    box(face.box, result.picture, String(place + 1), kind);
    const item = element("li");
    item.append(element("h3", face.answer, kind), element("p", face.sentence));
    face.maps.forEach((map) => item.append(drawn(map)));
    if (face.curves) item.append(curve(face.curves));
    at("faces").append(item);
  });
  at("numbers").textContent = JSON.stringify(result.numbers, null, 1);
  at("result").hidden = false;
}

function box([x0, y0, x1, y1], picture, number, kind) {
  const made = element("div", "", `box ${kind}`);
  const across = (x) => `${(100 * Math.min(Math.max(x / picture.width, 0), 1)).toFixed(3)}%`;
  const down = (y) => `${(100 * Math.min(Math.max(y / picture.height, 0), 1)).toFixed(3)}%`;
  made.style.left = across(x0);
  made.style.top = down(y0);
  made.style.width = across(x1 - Math.max(x0, 0));
  made.style.height = down(y1 - Math.max(y0, 0));
  made.append(element("b", number));
  at("picture").append(made);
}

function drawn(map) {
  const made = element("div", "", "map");
  const image = element("img");
  image.src = map.data;
  image.alt = `What raised the probability of: ${map.node}`;
  made.append(image, element("p", `What raised the probability of: ${map.node}. ${map.note}`));
  return made;
}

function curve(curves) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const add = (name, values, text) => {
    const part = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(values).forEach(([key, value]) => part.setAttribute(key, value));
    if (text) part.textContent = text;
    made.append(part);
  };
  const first = curves.frames[0];
  const span = Math.max(curves.frames[curves.frames.length - 1] - first, 1);
  const x = (frame) => 40 + 440 * (frame - first) / span;
  const y = (p) => 150 - 130 * p;
  made.setAttribute("viewBox", "0 0 600 190");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", "Probabilities over the frames, as the detector gives them");
  add("path", { class: "axis", d: `M40 ${y(1)} V${y(0)} H480` });
  add("text", { x: 8, y: y(1) + 4 }, "1");
  add("text", { x: 8, y: y(0) + 4 }, "0");
  add("text", { x: 40, y: 168 }, `frame ${first}`);
  add("text", { x: 480, y: 168, "text-anchor": "end" }, `frame ${first + span}`);
  add("text", { x: 40, y: 186 }, "probability in each frame, as the detector gives it");
  Object.entries(curves.p).forEach(([node, values], place) => {
    const colour = COLOURS[place % COLOURS.length];
    const points = values.map((p, i) => `${x(curves.frames[i]).toFixed(1)},${y(p).toFixed(1)}`);
    add("polyline", { points: points.join(" "), fill: "none", stroke: colour, "stroke-width": 2 });
    points.forEach((point) => {
      const [cx, cy] = point.split(",");
      add("circle", { cx, cy, r: 2.5, fill: colour });
    });
    add("rect", { x: 490, y: 14 + 18 * place, width: 10, height: 10, fill: colour });
    add("text", { x: 505, y: 23 + 18 * place }, node);
  });
  return made;
}

at("file").addEventListener("change", () => at("file").files.length && judge(at("file").files[0]));
["dragenter", "dragover"].forEach((name) => document.addEventListener(name, (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
}));
["dragleave", "drop"].forEach((name) => document.addEventListener(name, () => at("drop").classList.remove("over")));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length && !at("file").disabled) judge(event.dataTransfer.files[0]);
});
