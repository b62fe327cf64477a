// The stream of snapshots, and whether it is alive.

const LATE = 3000;  // milliseconds

export class Source {
  constructor(onSnapshot, onState, onEvent, onOpen) {
    this.onSnapshot = onSnapshot;
    this.onEvent = onEvent;
    this.onOpen = onOpen;
    this.onState = onState;
    this.last = performance.now();
    setInterval(() => this.#watch(), 1000);
  }

  open() {
    this.stream?.close();
    this.stream = new EventSource("stream");
    this.stream.addEventListener("snapshot", event => {
      this.last = performance.now();
      this.onState("live", "");
      this.onSnapshot(JSON.parse(event.data));
    });
    this.stream.addEventListener("happened", event => this.onEvent(JSON.parse(event.data)));
    this.stream.addEventListener("open", () => this.onOpen());
    this.stream.addEventListener("error", () => {
      if (performance.now() - this.last <= LATE) this.onState("lost", "connecting again");
      // After an HTTP error, as 401, browsers do not connect again.
      if (this.stream.readyState === EventSource.CLOSED) {
        setTimeout(() => this.open(), LATE);
      }
    });
  }

  #watch() {
    const age = performance.now() - this.last;
    if (age > LATE) this.onState("lost", `no data for ${Math.round(age / 1000)} s`);
  }
}
