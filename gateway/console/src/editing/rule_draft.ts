// The rules of one view as they are edited: which of them is looked at, which of its shapes is selected, and what is drawn
// next. Nothing holds before it is saved, and each step can be taken back.
import { computed, readonly, ref, shallowRef } from 'vue'
import { shapesOf, withDrawn, withoutShape, withShape, type Role } from '../domain/drawing'
import { begun, changed, redone, undone, type History } from '../domain/history'
import { blankRule, freeName, type Kind, type Rule } from '../domain/rule'
import type { Outline } from '../domain/zone'

const ZONE = 'zone:0'

export type RuleDraft = ReturnType<typeof useRuleDraft>

/** `touched` is called with every change that is not taken back. */
export function useRuleDraft(first: readonly Rule[], touched: () => void) {
  const history = shallowRef<History<readonly Rule[]>>(begun(first))
  const at = ref(0)
  const selected = ref<string | null>(ZONE)
  const drawing = ref<Role | null>(null)
  const rules = computed(() => history.value.now)
  const rule = computed(() => rules.value[at.value] ?? null)
  const shapes = computed(() => (rule.value === null ? [] : shapesOf(rule.value)))

  function begin(from: readonly Rule[]): void {
    history.value = begun(from)
    choose(0)
  }

  /** The number of the rule, or of the last one where there are fewer. */
  const inRange = (index: number): number => Math.max(0, Math.min(index, rules.value.length - 1))

  function choose(index: number): void {
    at.value = index
    selected.value = ZONE
    drawing.value = null
  }

  function edit(to: readonly Rule[], step: string | null = null): void {
    history.value = changed(history.value, to, step === null ? null : `${at.value}:${step}`)
    touched()
  }

  /** `step`: changes of one step in a row are taken back together. */
  function setRule(to: Rule, step: string | null = null): void {
    edit(rules.value.map((one, index) => (index === at.value ? to : one)), step)
  }

  function back(step: (history: History<readonly Rule[]>) => History<readonly Rule[]>): void {
    history.value = step(history.value)
    drawing.value = null
    at.value = inRange(at.value)
    if (!shapes.value.some((one) => one.id === selected.value)) selected.value = ZONE
  }

  function add(kind: Kind, name: string): void {
    edit([...rules.value, blankRule(kind, freeName(rules.value, kind, name))])
    choose(rules.value.length - 1)
  }

  function copy(): void {
    if (rule.value === null) return
    const twin = { ...rule.value, zone: freeName(rules.value, rule.value.kind, rule.value.zone) }
    edit([...rules.value.slice(0, at.value + 1), twin, ...rules.value.slice(at.value + 1)])
    choose(at.value + 1)
  }

  function remove(): void {
    edit(rules.value.filter((_, index) => index !== at.value))
    choose(inRange(at.value))
  }

  function select(id: string): void {
    selected.value = id
  }

  /** What is drawn next; asked for again, it is not drawn after all. */
  function draw(role: Role): void {
    drawing.value = drawing.value === role ? null : role
  }

  function abandon(): void {
    drawing.value = null
  }

  function drawn(corners: Outline): void {
    if (rule.value === null || drawing.value === null) return
    const made = withDrawn(rule.value, drawing.value, corners)
    drawing.value = null
    setRule(made.rule)
    selected.value = made.id
  }

  function reshape(id: string, corners: Outline, step: string): void {
    if (rule.value !== null) setRule(withShape(rule.value, id, corners), step === '' ? null : step)
  }

  function takeAway(id: string): void {
    if (rule.value === null) return
    setRule(withoutShape(rule.value, id))
    selected.value = ZONE
  }

  return {
    rules,
    rule,
    shapes,
    at: readonly(at),
    selected: readonly(selected),
    drawing: readonly(drawing),
    undoable: computed(() => history.value.past.length > 0),
    redoable: computed(() => history.value.future.length > 0),
    begin,
    choose,
    setRule,
    undo: () => back(undone),
    redo: () => back(redone),
    add,
    copy,
    remove,
    select,
    draw,
    abandon,
    drawn,
    reshape,
    takeAway,
  }
}
