import { describe, expect, it } from 'vitest'
import { refetched, withRecord, type Shape } from '../src/live/records'

interface Row {
  id: string
  at: string
  revision: number
}

const shape: Shape<Row> = { key: (one) => one.id, rank: (one) => one.at, most: 3 }
const row = (id: string, at: string, revision = 1): Row => ({ id, at, revision })
const ids = (rows: readonly Row[]): string[] => rows.map((one) => `${one.id}${one.revision}`)

describe('a list kept up by the stream', () => {
  it('takes a new record in its place, the newest first', () => {
    const list = withRecord(shape, [row('c', '3'), row('a', '1')], row('b', '2'))
    expect(ids(list)).toEqual(['c1', 'b1', 'a1'])
  })

  it('replaces a record by its next revision, and by the same one seen again', () => {
    const list = [row('a', '1', 2)]
    expect(ids(withRecord(shape, list, row('a', '1', 3)))).toEqual(['a3'])
    const again = { ...row('a', '1', 2), at: '9' }
    expect(withRecord(shape, list, again)).toEqual([again])
  })

  it('does not go back to a revision that arrives late', () => {
    expect(ids(withRecord(shape, [row('a', '1', 3)], row('a', '1', 2)))).toEqual(['a3'])
  })

  it('is bounded: the oldest goes', () => {
    const list = [row('d', '4'), row('c', '3'), row('b', '2')]
    expect(ids(withRecord(shape, list, row('e', '5')))).toEqual(['e1', 'd1', 'c1'])
    expect(ids(withRecord(shape, list, row('a', '1')))).toEqual(['d1', 'c1', 'b1'])
  })

  it('leaves the list it was given alone', () => {
    const list = Object.freeze([row('a', '1')])
    withRecord(shape, list, row('b', '2'))
    expect(ids(list)).toEqual(['a1'])
  })
})

describe('a list fetched anew', () => {
  it('drops what is no longer there, unless it arrived while the answer was on its way', () => {
    const list = [row('c', '3'), row('b', '2'), row('a', '1')]
    expect(ids(refetched(shape, list, [row('a', '1')], new Set(['c'])))).toEqual(['c1', 'a1'])
  })

  it('keeps the later revision, whichever way it came', () => {
    const list = [row('b', '2', 5), row('a', '1', 1)]
    expect(ids(refetched(shape, list, [row('b', '2', 4), row('a', '1', 2)], new Set()))).toEqual(['b5', 'a2'])
  })
})
