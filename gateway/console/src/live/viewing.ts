// Which registered reason the evidence on this page is looked at under. Nothing is asked before somebody wants to look.
import { readonly, ref } from 'vue'
import { ensureGrant } from '../media/grant'
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

onSignedOut(viewingRefused)
