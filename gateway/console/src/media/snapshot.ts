// A camera's latest picture, looked at under the registered reason, as an address for an `<img>`.
import { onScopeDispose, readonly, ref, shallowReadonly, shallowRef } from 'vue'
import { fetchSnapshot } from '../api/cameras'
import { asProblem, type Problem } from '../api/problem'
import { ensureGrant, grantRefused } from './grant'

export interface Taken {
  url: string
  takenAt: string | null
}

export type CameraSnapshot = ReturnType<typeof useSnapshot>

/** `dismissed`: no reason was given, so nothing is shown. The picture goes with the component that asked for it. */
export function useSnapshot() {
  const picture = shallowRef<Taken | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const dismissed = ref(false)
  const busy = ref(false)
  /** Raised whenever what was asked for before is no longer wanted. */
  let turn = 0

  function clear(): void {
    turn += 1
    if (picture.value !== null) URL.revokeObjectURL(picture.value.url)
    picture.value = null
    problem.value = null
    dismissed.value = busy.value = false
  }

  async function take(code: string, retried = false): Promise<void> {
    clear()
    const mine = turn
    busy.value = true
    let grant: string | null = null
    try {
      grant = await ensureGrant().catch(() => null)
      if (mine !== turn) return
      dismissed.value = grant === null
      if (grant === null) return
      const { jpeg, takenAt } = await fetchSnapshot(code, grant)
      if (mine === turn) picture.value = { url: URL.createObjectURL(jpeg), takenAt }
    } catch (error) {
      if (mine !== turn) return
      const found = asProblem(error)
      if (grant !== null && grantRefused(found, grant) && !retried) return await take(code, true)
      problem.value = found
    } finally {
      if (mine === turn) busy.value = false
    }
  }

  onScopeDispose(clear)
  return {
    picture: shallowReadonly(picture),
    problem: shallowReadonly(problem),
    dismissed: readonly(dismissed),
    busy: readonly(busy),
    take,
    clear,
  }
}
