// The rules of one view as the gateway keeps them: read with a revision, saved against it, and refused with the field that
// is to blame.
import { computed, readonly, ref, shallowReadonly, shallowRef } from 'vue'
import { getRules, putRules, type Rules } from '../api/cameras'
import { asProblem, Problem } from '../api/problem'
import { blamedField, withoutPath, type Rule } from '../domain/rule'

export function useKeptRules(camera: () => string, first: Rules) {
  const read = shallowRef(first)
  const busy = ref(false)
  const problem = shallowRef<Problem | null>(null)

  /** Somebody else has saved meanwhile. */
  const stale = computed(() => problem.value?.reason === 'revision_stale')
  /** Which field of which rule was refused. */
  const blame = computed(() => blamedField(problem.value?.field ?? null))
  /** The problem in words that do not repeat the field's path where the field itself is marked. */
  const refused = computed(() => {
    if (problem.value === null || blame.value === null) return problem.value
    const { status, reason, detail, detailEn, field } = problem.value
    return new Problem(status, reason, withoutPath(detail), withoutPath(detailEn), field)
  })

  function begin(rules: Rules): void {
    read.value = rules
    problem.value = null
  }

  /** What was refused has been changed; a conflict is not mended by a change. */
  function touched(): void {
    if (!stale.value) problem.value = null
  }

  /** Saves these, or the first values; null: it was refused, or a save is under way. */
  async function put(rules: readonly Rule[] | null): Promise<Rules | null> {
    if (busy.value) return null
    busy.value = true
    problem.value = null
    try {
      const { preset, revision } = read.value
      return await putRules(camera(), { rules, revision, ...(preset ? { preset } : {}) })
    } catch (error) {
      problem.value = asProblem(error)
      return null
    } finally {
      busy.value = false
    }
  }

  /** The newest rules, against which is saved from now on; null: they could not be read. */
  async function renew(): Promise<Rules | null> {
    try {
      begin(await getRules(camera(), read.value.preset))
      return read.value
    } catch (error) {
      problem.value = asProblem(error)
      return null
    }
  }

  return { read: shallowReadonly(read), busy: readonly(busy), stale, blame, refused, begin, touched, put, renew }
}
