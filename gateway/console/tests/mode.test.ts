// What the mode changes for whoever looks at the page.
import { describe, expect, it } from 'vitest'
import { stepsOf, type GridEvent } from '../src/domain/event'
import { actionsOf, escalatedBy, kindOf, type Mode, type ModeSwitch } from '../src/domain/mode'

const NOON = Date.parse('2026-03-02T12:00:00Z')
const war = { wartime: true, drill: false, state: 'approved', asked_by: 'officer', classes: ['90-01'], until: '2026-03-02T13:00:00Z' } as unknown as ModeSwitch
const mode = { switches: [war], wartime_changes: { escalated_by: ['duty_officer'] } } as unknown as Mode
const reported = { state: 'reported', class_code: '90-01', appeal: '', urgent: false } as unknown as GridEvent
const offered = (escalates: readonly string[]): boolean =>
  stepsOf(reported, ['duty_officer'], escalates).some((one) => one.action === 'escalate')

describe('the mode', () => {
  it('lets a duty officer escalate in wartime alone, for its classes, until it ends', () => {
    expect(offered(escalatedBy(mode, '90-01', NOON))).toBe(true)
    expect(offered(escalatedBy(mode, '90-02', NOON))).toBe(false)
    expect(offered(escalatedBy(mode, '90-01', NOON + 3_600_000))).toBe(false)
    expect(offered(escalatedBy(null, '90-01', NOON))).toBe(false)
  })

  it('offers each what they may decide: the asker to withdraw, another to approve, none after the end', () => {
    const asked = { ...war, state: 'asked' }
    expect(actionsOf(asked, 'officer', true, NOON)).toEqual(['withdraw'])
    expect(actionsOf(asked, 'leader', true, NOON)).toEqual(['approve', 'refuse'])
    expect(actionsOf(asked, 'other', false, NOON)).toEqual([])
    expect(actionsOf(war, 'leader', true, NOON)).toEqual(['end'])
    expect(actionsOf(war, 'leader', true, NOON + 3_600_000)).toEqual([])
  })

  it('tells a drill of wartime from both', () => {
    expect([kindOf(war), kindOf({ wartime: false, drill: true }), kindOf({ wartime: true, drill: true })]).toEqual([
      'wartime', 'drill', 'wartimeDrill',
    ])
  })
})
