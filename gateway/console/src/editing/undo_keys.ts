// Ctrl+Z takes a step back and Ctrl+Shift+Z does it again, wherever on the page the focus is; in a field they are the
// field's own.
import { onScopeDispose } from 'vue'

export function useUndoKeys(wanted: () => boolean, undo: () => void, redo: () => void): void {
  function keyed(event: KeyboardEvent): void {
    if (!wanted() || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z') return
    if (event.target instanceof HTMLInputElement) return
    event.preventDefault()
    if (event.shiftKey) redo()
    else undo()
  }

  window.addEventListener('keydown', keyed)
  onScopeDispose(() => window.removeEventListener('keydown', keyed))
}
