import { describe, expect, it } from 'vitest'
import { waitBefore } from '../src/media/backoff'
import { FIRST_MS, Freshness, STALE_MS } from '../src/media/freshness'

describe('freshness of a live picture', () => {
  it('says nothing of age before the first picture, but gives the connection up in time', () => {
    const fresh = new Freshness(0)
    expect(fresh.staleFor(60_000)).toBeNull()
    expect(fresh.fruitless(FIRST_MS - 1)).toBe(false)
    expect(fresh.fruitless(FIRST_MS)).toBe(true)
  })

  it('calls a picture old after three seconds, until the next one comes', () => {
    const fresh = new Freshness(0)
    fresh.picture(1_000)
    expect(fresh.staleFor(1_000 + STALE_MS - 1)).toBeNull()
    expect(fresh.staleFor(1_000 + STALE_MS)).toBe(STALE_MS)
    expect(fresh.fruitless(1_000 + STALE_MS)).toBe(true)
    fresh.picture(5_000)
    expect(fresh.staleFor(5_100)).toBeNull()
  })

  it('keeps calling the picture old while a new connection is given its time', () => {
    const fresh = new Freshness(0)
    fresh.picture(1_000)
    fresh.begun(5_000)
    expect(fresh.staleFor(6_000)).toBe(5_000)
    expect(fresh.fruitless(6_000)).toBe(false)
    expect(fresh.fruitless(5_000 + FIRST_MS)).toBe(true)
  })

  it('judges nothing of the time in which the page was hidden', () => {
    const fresh = new Freshness(0)
    fresh.picture(1_000)
    fresh.unseen(60_000)
    expect(fresh.staleFor(61_000)).toBeNull()
    expect(fresh.fruitless(61_000)).toBe(false)
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
