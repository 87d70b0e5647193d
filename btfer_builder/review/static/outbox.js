// Sends the reviewer's actions one by one in their order, and retries each until the server accepts or refuses it.

const LONGEST_PAUSE = 8000; // milliseconds between two attempts

/** Send a request; return the answer, or throw an Error whose `status` is 0 if there is no answer. */
export async function request(url, body) {
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
    ? "btfer review was restarted: open the address it printed, then this tab continues to save"
    : answer.error || `the server answered ${response.status}`;
  throw Object.assign(new Error(text), { status: response.status });
}

/** Whether a retry may succeed: no answer, a busy catalog, or a restarted server. */
export function isRetryable(status) {
  return status === 0 || status === 401 || status === 403 || status >= 500;
}

/**
 * A queue of jobs `{url, body(), done(answer), refused(error)}`. `body()` is called when the job is sent, so that it can
 * use earlier answers; null means that there is nothing to send.
 */
export class Outbox {
  #jobs = [];
  #sending = false;
  #changed;

  constructor(changed) {
    this.#changed = changed;
    this.error = null; // why the first job is not sent yet
  }

  get jobs() {
    return this.#jobs;
  }

  /** Resolve when all jobs are sent, or the first one cannot be sent for now. */
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
        const answer = body === null ? null : await request(job.url, body);
        this.#jobs.shift();
        this.error = null;
        pause = 500;
        if (answer !== null) job.done(answer);
      } catch (error) {
        if (!("status" in error)) throw error; // a bug, not a network error
        if (isRetryable(error.status)) {
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
