/** Commands that wait, in order. Taking from the front does not move the rest each time: there may be very many. */
import type { Request } from '../request.ts';

/** Places in front that may be empty before the rest moves up. */
const MOVE_UP = 256;

export class WaitingLine {
  #requests: Request[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#requests.length;
  }

  get first(): Request | null {
    return this.isEmpty ? null : this.#requests[this.#head];
  }

  push(request: Request): void {
    this.#requests.push(request);
  }

  /** Takes the first; there must be one. */
  shift(): Request {
    const request = this.#requests[this.#head];
    this.#head += 1;
    if (this.isEmpty) this.#requests.length = this.#head = 0;
    else if (this.#head >= MOVE_UP && this.#head * 2 >= this.#requests.length) this.#moveUp();
    return request;
  }

  /** False when it does not wait here. */
  remove(request: Request): boolean {
    const at = this.#requests.indexOf(request, this.#head);
    if (at < 0) return false;
    this.#requests.splice(at, 1);
    return true;
  }

  takeAll(): Request[] {
    this.#moveUp();
    const all = this.#requests;
    this.#requests = [];
    return all;
  }

  #moveUp(): void {
    this.#requests.splice(0, this.#head);
    this.#head = 0;
  }
}
