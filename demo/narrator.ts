/** A promise of the story that did not hold: the demo ends with it. */
export class NotHeld extends Error {}

/** Tells the story on the terminal, and counts what held. */
export class Narrator {
  held = 0;
  #step = 0;

  chapter(title: string): void {
    this.#step = 0;
    console.log(`\n${title}\n${'-'.repeat(title.length)}`);
  }

  step(what: string): void {
    this.#step += 1;
    console.log(`${this.#step}. ${what}`);
  }

  show(what: string, value: string): void {
    console.log(`     ${what}: ${value}`);
  }

  hold(claim: string, holds: boolean, otherwise?: unknown): asserts holds {
    if (!holds)
      throw new NotHeld(`${claim}${otherwise === undefined ? '' : `\n     but: ${JSON.stringify(otherwise)}`}`);
    this.held += 1;
    console.log(`   + ${claim}`);
  }
}
