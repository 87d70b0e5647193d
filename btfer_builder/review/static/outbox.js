// Sends what the reviewer did, one after the other in the order it was done, and never gives up on any of it.

const LONGEST_PAUSE = 8000; // milliseconds between two tries

/** Ask the server; returns the answer, or throws an Error whose `status` is 0 when no answer came. */
export async function ask(url, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw Object.assign(new Error("the server does not answer"), { status: 0 });
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const text = response.status === 401
    ? "btfer review was started anew: open the address it printed, then this tab saves by itself"
    : answer.error || `the server answered ${response.status}`;
  throw Object.assign(new Error(text), { status: response.status });
}

/** Whether asking again could help: no answer, a busy catalog, or a server that must be opened anew. */
export function mayRecover(status) {
  return status === 0 || status === 401 || status === 403 || status >= 500;
}

/**
 * A queue of jobs `{url, body(), done(answer), refused(error)}`. `body()` is asked only when the job's turn
 * comes, so that it may use what earlier answers told; null means there is nothing left to send.
 */
export class Outbox {
  #jobs = [];
  #sending = false;
  #changed;

  constructor(changed) {
    this.#changed = changed;
    this.error = null; // why the first job could not be sent yet
  }

  get jobs() {
    return this.#jobs;
  }

  /** Resolve when all is sent, or when that cannot be for now. */
  async idle() {
    while (this.#jobs.length && !this.error) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  add(job) {
    this.#jobs.push(job);
    this.#changed();
    if (!this.#sending) this.#send();
  }

  async #send() {
    this.#sending = true;
    let pause = 500;
    while (this.#jobs.length) {
      const job = this.#jobs[0];
      const body = job.body();
      try {
        const answer = body === null ? null : await ask(job.url, body);
        this.#jobs.shift();
        this.error = null;
        pause = 500;
        if (answer !== null) job.done(answer);
      } catch (error) {
        if (!("status" in error)) throw error; // a mistake of ours, not the network's
        if (mayRecover(error.status)) {
          this.error = error.message;
          this.#changed();
          await new Promise((resolve) => setTimeout(resolve, pause));
          pause = Math.min(2 * pause, LONGEST_PAUSE);
          continue;
        }
        this.#jobs.shift();
        job.refused(error);
      }
      this.#changed();
    }
    this.#sending = false;
  }
}
