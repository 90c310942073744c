/** The page: what is asked, what came back, and the parts that show it. */

import { AnswerView } from "./answer.js";
import { Camera } from "./camera.js";
import { PoseClient, ServerError } from "./client.js";
import { listenForPictures } from "./intake.js";
import { isShown, Overlay, personColor, personLabel } from "./overlay.js";
import { readSkeleton } from "./skeleton.js";
import { milliseconds, showTimings } from "./timings.js";
import { View3D } from "./view3d.js";

const $ = (id) => document.getElementById(id);
const client = new PoseClient(document.baseURI);
const overlay = new Overlay($("picture"));
const space = new View3D($("space"));
const answerView = new AnswerView($("answer"), $("json"));
const camera = new Camera(client, showFrame, showError, (reason) => {
  showCameraState();
  showError(reason);
});

/** What is served, from the server; null until it was asked. */
let served = null;
let describing = null;
/** What was asked last, to ask it again with another model or a key. */
let again = null;
/** What is on the page: `{picture, size, answer, skeleton, moving}`. */
let shown = null;
/** Who is shown in 3D: by track where there is one. */
let person = { index: 0, track: null };
let asking = new AbortController();

listenForPictures({ file: $("file"), zone: $("view"), samples: $("samples") }, askPicture);
for (const id of ["show-boxes", "show-ids", "show-names", "threshold"]) {
  $(id).addEventListener("input", show);
}
$("camera").addEventListener("click", () => (camera.running ? stopCamera() : startCamera()));
$("model").addEventListener("change", () => again?.());
$("picture").addEventListener("click", (event) => {
  const index = overlay.personAt(event.clientX, event.clientY);
  if (index >= 0) choosePerson(index);
});
$("copy").addEventListener("click", () => answerView.copy($("copy")));
$("download").addEventListener("click", () => answerView.download());
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  client.key = $("key").value.trim();
  $("key").value = "";
  $("key-form").hidden = true;
  (again ?? (() => attempt(describe)))();
});
attempt(describe);

/** Ask the server what it has, until it has said so once. */
function describe() {
  describing ??= readServed().catch((error) => {
    describing = null;
    throw error;
  });
  return describing;
}

async function readServed() {
  const { models, default: first, detector, lifter } = await client.models();
  served = {
    models: new Map(
      models.map(({ name, skeleton, whole_image: whole }) => [
        name,
        // The lifter takes the poses of the default model.
        { skeleton: readSkeleton(skeleton), whole, lifted: lifter && name === first },
      ]),
    ),
    detector,
    lifter: lifter && readSkeleton(lifter.skeleton),
  };
  $("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  $("model").value = first;
  $("model-choice").hidden = models.length < 2;
  $("model").addEventListener("change", showServed);
  showServed();
}

function model() {
  return served.models.get($("model").value);
}

function showServed() {
  const { skeleton, whole, lifted } = model();
  const lone = served.detector || whole ? "" : "; the whole picture is taken for one person";
  const count = skeleton.names.length;
  const what = count ? `${skeleton.name}, ${count} keypoints` : "a skeleton that is not described";
  $("served").textContent = what + lone;
  $("served").hidden = false;
  $("lifted").hidden = !lifted;
  const key = client.key ? "-H 'Authorization: Bearer KEY' " : "";
  const url = client.poseUrl($("model").value);
  $("command").textContent = `curl ${key}-F image=@picture.jpg '${url}'`;
  const stages = [
    ...(served.detector && !whole ? ["Detector"] : []),
    "Pose",
    ...(lifted ? ["Lifter"] : []),
  ];
  $("stages").replaceChildren(
    ...stages.map((name) => Object.assign(document.createElement("li"), { textContent: name })),
  );
}

/** Send a picture and show the answer. */
function askPicture(load, name) {
  stopCamera();
  again = () => askPicture(load, name);
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  return attempt(async () => {
    await describe();
    const skeleton = model().skeleton;
    const blob = await load();
    const picture = await createImageBitmap(blob).catch(() => null);
    if (signal.aborted) return;
    if (picture) {
      keep({ picture, size: picture, answer: null, skeleton, moving: false });
      show();
    }
    const started = performance.now();
    let answer;
    try {
      answer = await client.pose(blob, $("model").value, signal);
    } catch (error) {
      if (!signal.aborted) showNoAnswer(picture);
      throw error;
    }
    const roundTrip = performance.now() - started;
    person = { index: 0, track: null };
    keep({ picture, size: answer.image, answer, skeleton, moving: false });
    show();
    showNumbers(answer, roundTrip);
    answerView.show(answer, name);
  }, signal);
}

function startCamera() {
  asking.abort();
  again = startCamera;
  camera.stop();
  return attempt(async () => {
    await describe();
    person = { index: 0, track: null };
    const started = camera.start($("model").value);
    showCameraState();
    try {
      await started;
    } finally {
      showCameraState();
    }
  });
}

function stopCamera() {
  if (!camera.running) return;
  camera.stop();
  again = null;
  showCameraState();
}

function showCameraState() {
  $("camera").setAttribute("aria-pressed", String(camera.running));
  $("camera").querySelector("span").textContent = camera.running ? "Stop" : "Camera";
  $("rate-box").hidden = !camera.running;
  // A screen reader is not to read out every frame.
  $("numbers").setAttribute("aria-live", camera.running ? "off" : "polite");
}

function showFrame({ picture, answer, roundTrip, rate, dropped }) {
  hideError();
  const { skeleton } = model();
  keep({ picture, size: answer.image, answer, skeleton, moving: true });
  show();
  showNumbers(answer, roundTrip);
  $("rate").textContent = `${rate.toFixed(rate < 10 ? 1 : 0)} /s`;
  $("rate").title = `${dropped} dropped by the server`;
  answerView.show(answer, `frame-${answer.frame}`);
}

/** Do something that may fail, and tell why it did. */
async function attempt(act, signal) {
  hideError();
  $("progress").hidden = false;
  $("desk").setAttribute("aria-busy", "true");
  try {
    await act();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error instanceof ServerError && error.status === 401) askForKey();
    else showError(error.message, error.status);
  } finally {
    if (!signal?.aborted) {
      $("progress").hidden = true;
      $("desk").removeAttribute("aria-busy");
    }
  }
}

function askForKey() {
  if (client.key) showError("the server does not take this API key", 401);
  $("key-form").hidden = false;
  $("key").focus();
}

function showError(reason, status) {
  const sentence = reason.charAt(0).toUpperCase() + reason.slice(1);
  $("error").textContent = status ? `${sentence} (${status})` : sentence;
  $("error").hidden = false;
}

function hideError() {
  $("error").hidden = true;
}

/** Keep what is to be shown; the memory of the last picture is given back. */
function keep(next) {
  if (shown?.picture && shown.picture !== next?.picture) shown.picture.close();
  shown = next;
}

function options() {
  return {
    boxes: $("show-boxes").checked,
    ids: $("show-ids").checked,
    names: $("show-names").checked,
    threshold: Number($("threshold").value),
  };
}

function show() {
  const chosen = options();
  $("threshold-value").textContent = chosen.threshold.toFixed(2);
  if (!shown) return;
  $("empty").hidden = true;
  $("picture").hidden = false;
  const instances = shown.answer?.instances ?? [];
  overlay.show({ ...shown, instances, options: chosen });
  if (!shown.answer) {
    $("picture").setAttribute("aria-label", "Picture without an answer yet");
    return;
  }
  const count = instances.filter((one) => isShown(one, chosen.threshold)).length;
  $("count").textContent = count;
  const people = count === 1 ? "1 person" : `${count} people`;
  $("picture").setAttribute("aria-label", `Picture with ${people}`);
  if (served.lifter) showSpace(instances);
}

function showNumbers(answer, roundTrip) {
  $("round-trip").textContent = milliseconds(roundTrip);
  showTimings($("timings"), answer.timings_ms, roundTrip);
}

/** Take away what belongs to an earlier picture. */
function showNoAnswer(picture) {
  if (!picture) {
    keep(null);
    overlay.clear();
    $("picture").hidden = true;
    $("empty").hidden = false;
  }
  $("count").textContent = "–";
  $("round-trip").textContent = "–";
  $("timings").replaceChildren();
  if (served.lifter) showSpace([]);
}

/** Show the chosen person in 3D, and a button for each who is there in 3D. */
function showSpace(instances) {
  const lifted = [...instances.entries()].filter(([, one]) => one.keypoints_3d);
  const { index: wanted, track } = person;
  const isWanted = ([i, one]) => (track === null ? i === wanted : one.track_id === track);
  const [index, one] = lifted.find(isWanted) ?? lifted[0] ?? [0, null];
  const label = one ? personLabel(one, index) : "";
  space.show(one?.keypoints_3d ?? null, served.lifter, label, shown?.moving);
  showPeople(lifted.length > 1 ? lifted : [], index);
}

/** Show a button a person; the ones that are there stay, so that a stream lets them be clicked. */
function showPeople(people, chosen) {
  const group = $("people");
  while (group.children.length > people.length) group.lastChild.remove();
  while (group.children.length < people.length) {
    const button = document.createElement("button");
    button.addEventListener("click", () => choosePerson(Number(button.value)));
    group.append(button);
  }
  for (const [place, [index, instance]] of people.entries()) {
    const button = group.children[place];
    button.value = index;
    button.textContent = personLabel(instance, index);
    button.style.setProperty("--own", personColor(instance, index));
    button.setAttribute("aria-pressed", String(index === chosen));
  }
}

function choosePerson(index) {
  person = { index, track: shown.answer.instances[index].track_id };
  show();
}
