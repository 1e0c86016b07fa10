import { describe, expect, it } from 'vitest'
import { snapshotOf, snapshotWanting, verdictsOf, wantsAttention, windowOf, type Alert, type Evidence } from '../src/domain/alert'
import { withNewest, withOlder, type LogEntry } from '../src/domain/duty'
import { stepsOf, type GridEvent } from '../src/domain/event'
import { en, zhCN } from '../src/i18n/areas'

const alert = (change: Partial<Alert>): Alert =>
  ({ state: 'detected', ended_at: null, acknowledge_until: 'T1', assess_until: null, ...change }) as Alert

describe('an alert', () => {
  it('runs one window at a time', () => {
    expect(windowOf(alert({}))).toEqual({ kind: 'acknowledge', until: 'T1' })
    expect(windowOf(alert({ state: 'acknowledged', assess_until: 'T2' }))).toEqual({ kind: 'assess', until: 'T2' })
    for (const state of ['confirmed', 'false_positive', 'merged', 'auto_promoted', 'new_state'])
      expect(windowOf(alert({ state }))).toBeNull()
  })

  it('wants somebody until it is decided, or its hazard is over and the event has it', () => {
    expect(wantsAttention(alert({ ended_at: 'T' }))).toBe(true)
    expect(wantsAttention(alert({ state: 'auto_promoted' }))).toBe(true)
    expect(wantsAttention(alert({ state: 'auto_promoted', ended_at: 'T' }))).toBe(false)
    expect(wantsAttention(alert({ state: 'confirmed' }))).toBe(false)
  })

  it('offers the verdicts that its state takes', () => {
    expect(verdictsOf(alert({}))).toEqual(['confirmed', 'false_positive', 'merged'])
    expect(verdictsOf(alert({ state: 'auto_promoted' }))).toEqual(['confirmed', 'false_positive'])
    expect(verdictsOf(alert({ state: 'merged' }))).toEqual([])
  })

  it('shows its latest picture', () => {
    const evidence = ['snapshot', 'clip', 'snapshot', 'clip'].map((kind, at) => ({ id: `${at}`, kind }) as Evidence)
    expect(snapshotOf(evidence)?.id).toBe('2')
    expect(snapshotOf([])).toBeNull()
  })
})

describe('an alert without a snapshot', () => {
  it('says whether the disk refused it, has not answered yet, or none will come', () => {
    const said = ['not_written', 'not_answered', 'given_up', undefined].map((snapshot) => snapshotWanting({ snapshot }))
    expect(said).toEqual(['evidence.unwritten', 'evidence.unanswered', 'evidence.givenUp', null])
  })
})

describe('an event', () => {
  const plain = { extension_until: null, suspension_asked: false, appeal: '', overdue_at: null, reworks: 0 }
  const offered = (state: string, ...roles: string[]): string[] =>
    stepsOf({ ...plain, state } as GridEvent, roles).map((one) => one.action)

  it('offers each role its own steps', () => {
    expect(offered('reported', 'duty_officer')).toEqual([
      ...['accept', 'verify', 'urge', 'mark_urgent', 'note', 'merge_duplicate', 'not_accept', 'cancel'],
    ])
    expect(offered('accepted', 'dispatcher')).toEqual(['dispatch', 'urge', 'note'])
    expect(offered('dispatched', 'department')).toEqual(['sign', 'return', 'note'])
    expect(offered('handling', 'duty_leader')).toEqual([
      ...['suspend', 'urge', 'supervise', 'mark_urgent', 'note', 'force_close'],
    ])
    expect(offered('checking', 'checker')).toEqual(['close', 'rework', 'note'])
    expect(offered('reported', 'commander')).toEqual(['note'])
  })

  it('offers a decision only on what was asked for', () => {
    const asked = { ...plain, state: 'handling', extension_until: '2030-01-01T00:00:00Z', suspension_asked: true }
    const steps = stepsOf(asked as unknown as GridEvent, ['duty_leader', 'department']).map((one) => one.action)
    expect(steps).toContain('extend')
    expect(steps).toContain('refuse_suspension')
    expect(steps).not.toContain('ask_extension')
    expect(offered('handling', 'duty_leader')).not.toContain('extend')
  })

  it('offers nothing once it has ended', () => {
    for (const state of ['closed', 'forced_closed', 'not_accepted', 'cancelled'])
      expect(offered(state, 'duty_leader', 'duty_officer', 'checker')).toEqual([])
  })

  it('says which steps need a reason', () => {
    const needing = stepsOf({ state: 'reported' } as GridEvent, ['duty_officer']).filter((one) => one.needsReason)
    expect(needing.map((one) => one.action)).toEqual(['note', 'not_accept', 'cancel'])
  })
})

describe('the words', () => {
  function keys(words: object, before = ''): string[] {
    return Object.entries(words).flatMap(([key, value]) =>
      typeof value === 'object' ? keys(value as object, `${before}${key}.`) : [`${before}${key}`],
    )
  }

  it('are complete in both languages', () => {
    expect(keys(en).sort()).toEqual(keys(zhCN).sort())
  })
})

describe('the duty log', () => {
  const at = (minute: number): LogEntry =>
    ({ kind: 'note', id: String(minute), at: new Date(60_000 * minute).toISOString() }) as LogEntry
  const minutes = (entries: readonly LogEntry[]): number[] => entries.map((one) => Number(one.id))

  it('keeps what was read further back when the newest are read anew', () => {
    expect(minutes(withNewest([4, 3, 2, 1].map(at), [5, 4, 3].map(at)))).toEqual([5, 4, 3, 2, 1])
  })

  it('lets go of it where the two do not meet', () => {
    expect(minutes(withNewest([2, 1].map(at), [9, 8].map(at)))).toEqual([9, 8])
    expect(withNewest([1].map(at), [])).toEqual([])
  })

  it('says nothing twice that a page further back brings again', () => {
    expect(minutes(withOlder([5, 4, 3].map(at), [4, 3, 2].map(at)))).toEqual([5, 4, 3, 2])
  })
})
