// Which registered reason the evidence on this page is looked at under. Nothing is asked before somebody wants to look.
import { readonly, ref } from 'vue'
import { evidenceUrl } from '../api/events'
import { asProblem, send, type Problem } from '../api/http'
import { i18n } from '../i18n'
import { ensureGrant, grantRefused } from '../media/grant'
import { onSignedOut } from '../session/session'

const cited = ref<string | null>(null)
export const viewingGrant = readonly(cited)

/** Asks for a reason unless one runs; false where none was given. */
export async function askViewing(): Promise<boolean> {
  try {
    cited.value = await ensureGrant()
    return true
  } catch {
    return false
  }
}

/** The gateway no longer takes it: it has ended, or does not cover this. */
export function viewingRefused(): void {
  cited.value = null
}

/** A picture or player says only that it failed; the same door says why. */
export async function whyNotShown(evidenceId: string): Promise<Problem | null> {
  const grant = cited.value
  if (grant === null) return null
  try {
    await send(evidenceUrl(evidenceId, grant), { headers: { Range: 'bytes=0-0' } })
    return asProblem(new Error(i18n.global.t('evidence.unreadable')))
  } catch (error) {
    const problem = asProblem(error)
    if (grantRefused(problem, grant) && cited.value === grant) viewingRefused()
    return problem
  }
}

onSignedOut(viewingRefused)
