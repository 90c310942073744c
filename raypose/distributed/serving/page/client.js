/** Speaks with the pose server: models and pictures over HTTP, frames over a WebSocket. */

const KEY = "raypose.api_key";

/** An answer that is no result; `status` is that of HTTP, 0 where no answer came. */
export class ServerError extends Error {
  constructor(reason, status) {
    super(reason);
    this.status = status;
  }
}

export class PoseClient {
  /** @param {string} base where the page lies; paths of the API are relative to it. */
  constructor(base) {
    this.base = base;
  }

  /** Keep the key of the API for this tab. */
  set key(value) {
    sessionStorage.setItem(KEY, value);
  }

  get key() {
    return sessionStorage.getItem(KEY) ?? "";
  }

  /** Say what is served. */
  models() {
    return this.#ask("v1/models", { method: "GET" });
  }

  poseUrl(model) {
    return new URL(`v1/pose?model=${encodeURIComponent(model)}`, this.base);
  }

  /**
   * Estimate the poses in an encoded picture.
   * @param {Blob} picture
   * @param {string} model name of a served model.
   * @param {AbortSignal} signal
   */
  pose(picture, model, signal) {
    const headers = { "Content-Type": picture.type || "application/octet-stream" };
    return this.#ask(this.poseUrl(model), { method: "POST", body: picture, headers, signal });
  }

  /**
   * Open a stream of frames. Each answer is given to `onAnswer`; `onClose` gets the reason.
   * @returns {Promise<WebSocket>} that is open.
   */
  stream(model, onAnswer, onClose) {
    const url = new URL("v1/stream", this.base);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("model", model);
    if (this.key) url.searchParams.set("api_key", this.key);
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    return new Promise((resolve, reject) => {
      let opened = false;
      socket.onopen = () => {
        opened = true;
        resolve(socket);
      };
      socket.onmessage = (event) => onAnswer(JSON.parse(event.data));
      socket.onclose = (event) => {
        if (opened) onClose(event.reason || "the server closed the stream");
        else reject(new ServerError(event.reason || "the server opened no stream", 0));
      };
    });
  }

  async #ask(path, options) {
    const headers = { ...options.headers };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    let response;
    try {
      response = await fetch(new URL(path, this.base), { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServerError("no answer from the server; is it still running?", 0);
    }
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    throw new ServerError(reasonIn(text) || response.statusText, response.status);
  }
}

/** Return the reason that an error answer gives, whatever wrote it. */
function reasonIn(text) {
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : JSON.stringify(detail);
  } catch {
    return text.slice(0, 200);
  }
}
