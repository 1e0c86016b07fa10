import { beforeEach, describe, expect, it } from 'vitest'
import { waitBefore } from '../src/media/backoff'
import { FIRST_MS, Freshness, STALE_MS, UNPROVEN_MS } from '../src/media/freshness'

let ticks = 4_294_960_000

/** Twenty-five pictures a second from `from` to `to`; the timestamps wrap on the way. */
function pictures(fresh: Freshness, from: number, to: number): void {
  for (let at = from; at <= to; at += 40) fresh.picture(at, (ticks = (ticks + 3_600) % 2 ** 32))
}

/** Two seconds of held pictures, which the gateway sends with timestamps next to each other. */
function held(fresh: Freshness, at: number): void {
  for (let number = 0; number < 50; number += 1) fresh.picture(at + number, (ticks = (ticks + 10) % 2 ** 32))
}

describe('freshness of a live picture', () => {
  let fresh: Freshness
  beforeEach(() => {
    fresh = new Freshness(0)
    fresh.begun(0)
    fresh.connected(0)
  })

  it('says nothing of age before the first picture, but gives the connection up in time', () => {
    expect(fresh.staleFor(60_000)).toBeNull()
    expect(fresh.fruitless(FIRST_MS - 1)).toBe(false)
    expect(fresh.fruitless(FIRST_MS)).toBe(true)
  })

  it('shows the first picture at once, and calls it old after three seconds without another', () => {
    pictures(fresh, 200, 200)
    expect([fresh.started, fresh.staleFor(300)]).toEqual([true, null])
    pictures(fresh, 240, 4_200)
    const old = 4_200 + STALE_MS
    expect([fresh.staleFor(old - 100), fresh.fruitless(old - 100)]).toEqual([null, false])
    expect(fresh.staleFor(old + 100)).toBeGreaterThanOrEqual(STALE_MS)
    expect(fresh.fruitless(old + 100)).toBe(true)
    pictures(fresh, 9_000, 9_100)
    expect(fresh.staleFor(9_200)).toBeNull()
  })

  it('calls held pictures old sooner, as nothing has proven them live', () => {
    held(fresh, 200)
    expect(fresh.staleFor(200 + UNPROVEN_MS - 1)).toBeNull()
    expect(fresh.staleFor(200 + UNPROVEN_MS)).toBe(UNPROVEN_MS)
  })

  it('does not take the held pictures of a new connection for live ones, however often they come', () => {
    pictures(fresh, 0, 4_000)
    fresh.begun(7_500)
    fresh.connected(7_600)
    for (const at of [7_700, 8_700, 9_700]) held(fresh, at)
    expect(fresh.staleFor(9_750)).toBeGreaterThan(STALE_MS)
    expect(fresh.confirmed).toBe(false)
    expect(fresh.fruitless(10_700)).toBe(true)
    pictures(fresh, 9_760, 9_900)
    expect(fresh.confirmed).toBe(true)
    expect(fresh.staleFor(9_900)).toBeNull()
  })

  it('does not take pictures held by the gateway for live ones on a connection that was', () => {
    pictures(fresh, 0, 4_000)
    for (const at of [5_000, 6_000, 7_000]) held(fresh, at)
    expect(fresh.staleFor(7_100)).toBeGreaterThan(STALE_MS)
  })

  it('gives a new connection its time', () => {
    pictures(fresh, 0, 4_000)
    fresh.begun(7_500)
    expect(fresh.fruitless(8_000)).toBe(false)
    expect(fresh.fruitless(7_500 + FIRST_MS)).toBe(true)
  })

  it('judges nothing of the time in which the page was hidden, and wants a picture soon after', () => {
    pictures(fresh, 0, 4_000)
    for (let at = 4_500; at <= 60_000; at += 500) fresh.unseen(at)
    expect(fresh.staleFor(60_900)).toBeNull()
    expect(fresh.fruitless(61_000)).toBe(false)
    expect(fresh.staleFor(61_000)).not.toBeNull()
  })
})

describe('the wait before trying again', () => {
  it('doubles from half a second to eight seconds and spreads downwards', () => {
    expect([1, 2, 3, 4, 5, 6, 50].map((failures) => waitBefore(failures, 0))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000,
    ])
    expect(waitBefore(5, 0.999)).toBeGreaterThan(5_900)
  })
})
