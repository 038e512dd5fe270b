// Taking a blob that is wrong out of the way of everybody.
#include <cerrno>

#include "cas/layout.h"
#include "cas/store.h"

namespace castool::cas {

base::Status Store::quarantine(const base::Digest& digest) {
  CASTOOL_RETURN_IF_ERROR(require_writable());
  base::Status moved = files().rename(dir(), blob_path(digest), dir(), quarantine_path(digest),
                                      base::IfExists::kFail);
  // Somebody else found it too.
  if (!moved && moved.error().sys_errno == ENOENT) return base::ok();
  if (!moved) return moved;
  (void)files().unlink(dir(), sums_path(digest));
  (void)files().unlink(dir(), stamp_path(digest));
  CASTOOL_RETURN_IF_ERROR(files().sync_dir(dir(), kQuarantineDir));
  return files().sync_dir(dir(), blob_dir(digest));
}

}  // namespace castool::cas
