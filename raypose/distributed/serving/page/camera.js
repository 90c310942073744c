/** Sends the frames of a camera to the server and shows each with its answer, at its pace. */

const LONGEST_SIDE = 960; // pixels
const QUALITY = 0.85;
// One on its way while the server works on the other.
const MOST_IN_FLIGHT = 2;

export class Camera {
  /**
   * @param {import("./client.js").PoseClient} client
   * @param {(frame: object) => void} onFrame gets `{picture, answer, roundTrip, rate, dropped}`;
   *   the picture is its receiver's to close.
   * @param {(reason: string) => void} onError is told what was wrong with a frame.
   * @param {(reason: string) => void} onEnd is told when the stream ends by itself.
   */
  constructor(client, onFrame, onError, onEnd) {
    Object.assign(this, { client, onFrame, onError, onEnd });
    this.run = null;
  }

  get running() {
    return this.run !== null;
  }

  /** Ask for the camera, open the stream and send until `stop`. */
  async start(model) {
    const run = {
      canvas: document.createElement("canvas"),
      inFlight: new Map(),
      sent: 0,
      dropped: 0,
      answered: [],
      waiting: false,
    };
    this.run = run;
    try {
      run.media = await openMedia();
      run.video = await play(run.media);
      const end = (reason) => this.run === run && this.#end(reason);
      run.socket = await this.client.stream(model, (answer) => this.#take(run, answer), end);
      for (const track of run.media.getTracks()) {
        track.addEventListener("ended", () => end("the camera was taken away"));
      }
    } catch (error) {
      if (this.run === run) this.run = null;
      release(run);
      throw error;
    }
    if (this.run !== run) release(run);
    else this.#capture(run);
  }

  stop() {
    if (this.run) release(this.run);
    this.run = null;
  }

  #end(reason) {
    this.stop();
    this.onEnd(reason);
  }

  /** Send the next frame that the camera has, if the server is ready for one. */
  #capture(run) {
    if (run.waiting || this.run !== run || run.inFlight.size >= MOST_IN_FLIGHT) return;
    run.waiting = true;
    nextFrame(run.video, async () => {
      if (this.run === run) await this.#send(run);
      run.waiting = false;
      this.#capture(run);
    });
  }

  async #send(run) {
    const { video, canvas } = run;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    // Each frame is read back to be encoded: in plain memory that takes half as long.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const picture = await createImageBitmap(canvas);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (this.run !== run || run.socket.readyState !== WebSocket.OPEN) {
      picture.close();
      return;
    }
    run.inFlight.set(run.sent, { picture, at: performance.now() });
    run.sent += 1;
    run.socket.send(blob);
  }

  #take(run, answer) {
    const frame = run.inFlight.get(answer.frame);
    if (this.run !== run || !frame) return;
    run.inFlight.delete(answer.frame);
    this.#capture(run);
    if (answer.dropped || answer.error) {
      frame.picture.close();
      if (answer.dropped) run.dropped += 1;
      else this.onError(answer.error);
      return;
    }
    const now = performance.now();
    run.answered = [...run.answered.filter((time) => time > now - 2000), now];
    const rate = ((run.answered.length - 1) * 1000) / Math.max(now - run.answered[0], 1);
    const { picture, at } = frame;
    this.onFrame({ picture, answer, roundTrip: now - at, rate, dropped: run.dropped });
  }
}

async function openMedia() {
  if (!navigator.mediaDevices) {
    throw new Error("browsers give the camera only to pages over https or on localhost");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 1280 }, height: { ideal: 720 } },
    });
  } catch (error) {
    const reasons = {
      NotAllowedError: "the camera was not allowed; the browser's address bar lets you change that",
      NotFoundError: "no camera was found",
      NotReadableError: "the camera is in use by another program",
    };
    throw new Error(reasons[error.name] ?? error.message);
  }
}

async function play(media) {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = media;
  await video.play();
  return video;
}

/** Call back at the next frame that was not seen yet, or about one frame later. */
function nextFrame(video, call) {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(call);
  else setTimeout(call, 33);
}

function release(run) {
  if (run.socket) {
    run.socket.onclose = null;
    run.socket.close();
  }
  for (const track of run.media?.getTracks() ?? []) track.stop();
  for (const { picture } of run.inFlight.values()) picture.close();
  run.inFlight.clear();
}
