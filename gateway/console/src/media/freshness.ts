// Whether what a <video> shows is live. Pure: time comes by argument (milliseconds of any steady clock).

/** Without a new picture for so long, what is on the screen is old. */
export const STALE_MS = 3_000
/** The first picture of a connection may take so long: a keyframe has to come first. */
export const FIRST_MS = 8_000

export class Freshness {
  private pictureAt: number | null = null
  private since: number

  constructor(now: number) {
    this.since = now
  }

  /** A connection has begun: its first picture is awaited anew. What is on the screen stays as old as it is. */
  begun(now: number): void {
    this.since = now
  }

  picture(now: number): void {
    this.pictureAt = now
  }

  /** Nobody looked (a hidden page is given no pictures), so nothing is known of that time. */
  unseen(now: number): void {
    this.since = now
    if (this.pictureAt !== null) this.pictureAt = now
  }

  /** Whether a picture was ever shown. */
  get started(): boolean {
    return this.pictureAt !== null
  }

  /** Milliseconds without a new picture where the one shown is old; null while it is live or none was shown. */
  staleFor(now: number): number | null {
    if (this.pictureAt === null) return null
    const age = now - this.pictureAt
    return age >= STALE_MS ? age : null
  }

  /** Whether the connection has had its time and brings nothing. */
  fruitless(now: number): boolean {
    if (this.pictureAt === null || this.pictureAt < this.since) return now - this.since >= FIRST_MS
    return now - this.pictureAt >= STALE_MS
  }
}
