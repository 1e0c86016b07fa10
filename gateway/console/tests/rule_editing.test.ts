import { afterEach, describe, expect, it, vi } from 'vitest'
import { effectScope } from 'vue'
import type { Rules } from '../src/api/cameras'
import { blankRule, withoutPath, withValues, type Rule } from '../src/domain/rule'
import type { Outline } from '../src/domain/zone'
import { useKeptRules } from '../src/editing/kept_rules'
import { useRuleDraft } from '../src/editing/rule_draft'
import { useUndoKeys } from '../src/editing/undo_keys'

const SQUARE: Outline = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]]
const FIRST: readonly Rule[] = [blankRule('fire', '全画面'), blankRule('stall', '东侧')]

describe('rules that are edited', () => {
  const draftOf = (rules: readonly Rule[] = FIRST): ReturnType<typeof useRuleDraft> => useRuleDraft(rules, () => undefined)
  const named = (draft: ReturnType<typeof useRuleDraft>): string[] => draft.rules.value.map((one) => one.zone)

  it('are added, copied and removed, and what is looked at is the new one, or the one next to it', () => {
    const draft = draftOf()
    draft.add('fire', '全画面')
    expect([named(draft), draft.at.value]).toEqual([['全画面', '东侧', '全画面 2'], 2])
    draft.choose(1)
    draft.copy()
    expect([named(draft), draft.at.value]).toEqual([['全画面', '东侧', '东侧 2', '全画面 2'], 2])
    draft.choose(3)
    draft.remove()
    expect([named(draft), draft.at.value]).toEqual([['全画面', '东侧', '东侧 2'], 2])
  })

  it('are none once the last is removed, and can be brought back', () => {
    const draft = draftOf(FIRST.slice(0, 1))
    draft.remove()
    expect([draft.rule.value, draft.shapes.value, draft.at.value]).toEqual([null, [], 0])
    draft.copy()
    draft.drawn(SQUARE)
    expect(draft.rules.value).toEqual([])
    draft.undo()
    expect(draft.rule.value?.zone).toBe('全画面')
  })

  it('get what is drawn, which is selected then, and lose what is taken away', () => {
    const draft = draftOf()
    draft.choose(1)
    draft.drawn(SQUARE)
    expect(draft.undoable.value).toBe(false)
    draft.draw('exclusion')
    draft.drawn(SQUARE)
    expect([draft.selected.value, draft.drawing.value, draft.rule.value?.exclusions]).toEqual(['exclusion:0', null, [SQUARE]])
    draft.takeAway('exclusion:0')
    expect([draft.selected.value, draft.rule.value?.exclusions]).toEqual(['zone:0', []])
  })

  it('are not drawn on where the same is asked for again, another rule is looked at or it is abandoned', () => {
    const draft = draftOf()
    draft.draw('zone')
    draft.draw('zone')
    expect(draft.drawing.value).toBeNull()
    draft.draw('zone')
    draft.choose(1)
    expect(draft.drawing.value).toBeNull()
    draft.draw('permitted')
    draft.abandon()
    expect(draft.drawing.value).toBeNull()
  })

  it('are taken back step by step, a corner moved by many keys as one, and nothing is selected that is not there', () => {
    const draft = draftOf()
    draft.draw('exclusion')
    draft.drawn(SQUARE)
    for (const x of [0.3, 0.31, 0.32]) draft.reshape('exclusion:0', [[x, 0.2], ...SQUARE.slice(1)], 'exclusion:0:0')
    draft.undo()
    expect(draft.rule.value?.exclusions).toEqual([SQUARE])
    draft.undo()
    expect([draft.rule.value?.exclusions, draft.selected.value, draft.undoable.value]).toEqual([[], 'zone:0', false])
    draft.redo()
    draft.redo()
    expect(draft.rule.value?.exclusions[0]?.[0]).toEqual([0.32, 0.2])
    expect(draft.redoable.value).toBe(false)
  })

  it('tell of each change, and not of one that is taken back', () => {
    const touched = vi.fn()
    const draft = useRuleDraft(FIRST, touched)
    draft.setRule(withValues(FIRST[0]!, { enabled: false }))
    draft.undo()
    expect(touched).toHaveBeenCalledTimes(1)
  })
})

describe('rules that the gateway keeps', () => {
  afterEach(() => vi.unstubAllGlobals())

  const READ: Rules = { rules: FIRST, unusable: [], own: true, revision: 4, preset: '3', presets: ['3'] }
  const kept = (): ReturnType<typeof useKeptRules> => useKeptRules(() => '99000000001320000001', READ)

  function answers(...all: (() => Response)[]): unknown[] {
    const asked: unknown[] = []
    vi.stubGlobal('fetch', (address: string, { body }: { body?: string } = {}) => {
      asked.push(body === undefined ? address : JSON.parse(body))
      return Promise.resolve(all.shift()!())
    })
    return asked
  }
  const said = (status: number, body: unknown) => (): Response => new Response(JSON.stringify(body), { status })

  it('are saved against the revision and the view that were read', async () => {
    const asked = answers(said(200, { ...READ, revision: 5 }))
    await expect(kept().put(null)).resolves.toMatchObject({ revision: 5 })
    expect(asked).toEqual([{ rules: null, revision: 4, preset: '3' }])
  })

  it('are saved once, however often it is asked for', async () => {
    const asked = answers(said(200, READ))
    const rules = kept()
    const first = rules.put(FIRST)
    expect(rules.busy.value).toBe(true)
    await expect(rules.put(FIRST)).resolves.toBeNull()
    await first
    expect([asked.length, rules.busy.value]).toEqual([1, false])
  })

  it('are refused with the field that is to blame, in words without its path, until something is changed', async () => {
    const detail = '可见时长超过观察窗口（rules.1.seen_seconds）。'
    answers(said(422, { reason: 'rule_invalid', detail, detail_en: 'Too long (rules.1.seen_seconds).', field: 'rules.1.seen_seconds' }))
    const rules = kept()
    await expect(rules.put(FIRST)).resolves.toBeNull()
    expect(rules.blame.value).toEqual({ rule: 1, name: 'seen_seconds' })
    expect([rules.refused.value?.detail, rules.refused.value?.detailEn]).toEqual(['可见时长超过观察窗口。', 'Too long.'])
    rules.touched()
    expect([rules.refused.value, rules.blame.value]).toEqual([null, null])
  })

  it('that somebody else saved meanwhile are read anew before anything is saved, and no change mends that', async () => {
    const conflict = { reason: 'revision_stale', detail: '已被他人修改。', detail_en: 'Changed meanwhile.' }
    const asked = answers(said(409, conflict), said(200, { ...READ, revision: 9 }), said(200, READ))
    const rules = kept()
    await rules.put(FIRST)
    rules.touched()
    expect(rules.stale.value).toBe(true)
    await rules.renew()
    expect([rules.stale.value, rules.read.value.revision]).toEqual([false, 9])
    await rules.put(FIRST)
    expect(asked[2]).toMatchObject({ revision: 9 })
  })

  it('keep the conflict where they cannot be read anew', async () => {
    answers(said(503, { reason: 'busy', detail: '忙。', detail_en: 'Busy.' }))
    const rules = kept()
    await expect(rules.renew()).resolves.toBeNull()
    expect([rules.refused.value?.reason, rules.read.value]).toEqual(['busy', READ])
  })
})

describe('the words of a refusal', () => {
  it('leave out the path of a field that is marked, and nothing else', () => {
    expect(withoutPath('Too long (rules.0.permitted.2.hours), shorten it')).toBe('Too long, shorten it')
    expect(withoutPath('规则过多')).toBe('规则过多')
  })
})

describe('the keys that take back', () => {
  class Field extends EventTarget {}

  afterEach(() => vi.unstubAllGlobals())

  function pressed(keys: object, target: EventTarget = new EventTarget()): boolean {
    const event = Object.assign(new Event('keydown', { cancelable: true }), { key: 'z', ctrlKey: true, metaKey: false, shiftKey: false, ...keys })
    Object.defineProperty(event, 'target', { value: target })
    window.dispatchEvent(event)
    return event.defaultPrevented
  }

  it('undo and redo while they are wanted, but in no field, and end with the page', () => {
    vi.stubGlobal('window', new EventTarget())
    vi.stubGlobal('HTMLInputElement', Field)
    const done: string[] = []
    let wanted = true
    const scope = effectScope()
    scope.run(() => useUndoKeys(() => wanted, () => done.push('undone'), () => done.push('redone')))
    expect(pressed({})).toBe(true)
    expect(pressed({ key: 'Z', shiftKey: true })).toBe(true)
    expect(pressed({ ctrlKey: false, metaKey: true })).toBe(true)
    expect(pressed({ ctrlKey: false })).toBe(false)
    expect(pressed({ key: 'y' })).toBe(false)
    expect(pressed({}, new Field())).toBe(false)
    wanted = false
    expect(pressed({})).toBe(false)
    wanted = true
    scope.stop()
    expect(pressed({})).toBe(false)
    expect(done).toEqual(['undone', 'redone', 'undone'])
  })
})
