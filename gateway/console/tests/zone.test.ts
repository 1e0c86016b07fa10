import { describe, expect, it } from 'vitest'
import { shapesOf, withDrawn, withoutShape, withShape } from '../src/domain/drawing'
import { begun, changed, redone, undone } from '../src/domain/history'
import { blamedField, blankRule, freeName, keptNumber, NUMBERS, shownNumber } from '../src/domain/rule'
import { faultOf, isWhole, moved, WHOLE, withCorner, within, withMiddleOf, withoutCorner, type Outline } from '../src/domain/zone'

const SQUARE: Outline = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]]

describe('an outline that is drawn', () => {
  it('stays in the picture, moved by a corner or as a whole', () => {
    expect(within(-0.3, 1.7)).toEqual([0, 1])
    expect(withCorner(SQUARE, 2, within(0.123456, 0.9))[2]).toEqual([0.1235, 0.9])
    expect(moved(SQUARE, 0.9, -0.9)).toEqual([[0.6, 0], [1, 0], [1, 0.4], [0.6, 0.4]])
  })

  it('gets a corner in the middle of an edge, the last one too, and keeps three', () => {
    expect(withMiddleOf(SQUARE, 3)).toEqual([...SQUARE, [0.2, 0.4]])
    const three = withoutCorner(SQUARE, 0)
    expect(three).toHaveLength(3)
    expect(withoutCorner(three, 0)).toBe(three)
  })

  it('is refused with the edges that cross, as the gateway would', () => {
    const bow: Outline = [[0.2, 0.2], [0.6, 0.6], [0.6, 0.2], [0.2, 0.6]]
    expect(faultOf(bow)).toEqual({ fault: 'crosses', edges: new Set([0, 2]) })
    expect(faultOf([[0.1, 0.1], [0.9, 0.1], [0.5, 0.1], [0.5, 0.9]]).fault).toBe('crosses')
    expect(faultOf(SQUARE)).toEqual({ fault: null, edges: new Set() })
    expect(faultOf(SQUARE.slice(0, 2)).fault).toBe('tooFew')
    expect(faultOf([...SQUARE, [0.2, 0.2]]).fault).toBe('same')
    expect(faultOf([[0.5, 0.5], [0.505, 0.5], [0.5, 0.505]]).fault).toBe('small')
    expect(isWhole(WHOLE) && !isWhole(SQUARE)).toBe(true)
  })
})

describe('the shapes of a rule', () => {
  it('are drawn, changed and taken away, each by its number', () => {
    const stall = blankRule('stall', '东侧')
    const { rule, id } = withDrawn(withDrawn(stall, 'exclusion', SQUARE).rule, 'permitted', [[0.5, 0.4]])
    expect(id).toBe('permitted:0')
    expect(shapesOf(rule).map((one) => one.id)).toEqual(['zone:0', 'exclusion:0', 'permitted:0'])
    const changedRule = withShape(rule, id, [[0.7, 0.8]])
    expect(changedRule).toMatchObject({ permitted: [{ x: 0.7, y: 0.8, hours: [] }] })
    expect(withoutShape(changedRule, 'exclusion:0').exclusions).toEqual([])
    expect(withoutShape(changedRule, 'zone:0')).toBe(changedRule)
  })

  it('calibrate a crowd with four points a square of ten metres apart until they are measured', () => {
    let rule = blankRule('crowd', '广场')
    for (const corner of SQUARE) rule = withDrawn(rule, 'ground', [corner]).rule
    expect(rule).toMatchObject({ ground: [{ east: 0, north: 0 }, { east: 10 }, { x: 0.6, east: 10, north: 10 }, { north: 10 }] })
  })
})

describe('the fields of a rule', () => {
  it('show shares in percent and keep them as shares', () => {
    const share = NUMBERS.crowd.find((one) => one.name === 'release_share')!
    expect(shownNumber(blankRule('crowd', '广场'), share)).toBe(70)
    expect(keptNumber(share, 65)).toBe(0.65)
  })

  it('are named by the gateway where it refuses them', () => {
    expect(blamedField('rules.2.permitted.0.hours')).toEqual({ rule: 2, name: 'permitted' })
    expect(blamedField('rules')).toBeNull()
  })

  it('have a name of their own for each rule of a kind', () => {
    const rules = [blankRule('fire', '全画面'), blankRule('fire', '全画面 2'), blankRule('stall', '东')]
    expect(freeName(rules, 'fire', '全画面 2')).toBe('全画面 3')
    expect(freeName(rules, 'stall', '全画面')).toBe('全画面')
  })
})

describe('what was changed', () => {
  it('is taken back and done again, letters typed in a row as one step', () => {
    const typed = changed(changed(changed(begun(''), 'a', 'name'), 'ab', 'name'), 'ab!', 'other')
    expect(undone(typed).now).toBe('ab')
    expect(undone(undone(typed)).now).toBe('')
    expect(redone(undone(typed)).now).toBe('ab!')
    expect(undone(begun('')).now).toBe('')
  })
})
