#include "cas/publish.h"

#include <unistd.h>

#include <cerrno>

#include "cas/layout.h"

namespace castool::cas {

base::Result<Placed> place_blob(base::FileOps& files, int store_dir, int from_dir,
                                const std::string& from, const base::Digest& digest) {
  const std::string dir = blob_dir(digest);
  const std::string path = blob_path(digest);
  // All of these directories were made durable with the store; somebody removed one.
  if (::faccessat(store_dir, dir.c_str(), F_OK, 0) != 0 && errno == ENOENT) {
    CASTOOL_RETURN_IF_ERROR(files.make_dir(store_dir, dir, kDirectoryMode));
    CASTOOL_RETURN_IF_ERROR(files.sync_dir(store_dir, kBlobsDir));
  }
  const base::Status renamed = files.rename(from_dir, from, store_dir, path, base::IfExists::kFail);
  if (!renamed && renamed.error().sys_errno != EEXIST) return base::failure(renamed);
  // Whoever placed an existing blob may not have come to this yet, so it is done for that one too.
  const base::Status synced = files.sync_dir(store_dir, dir);
  if (!synced) {
    // A name that may vanish with the next power cut must not be seen as a published blob.
    if (renamed) {
      (void)files.rename(store_dir, path, from_dir, from, base::IfExists::kFail);
    }
    return base::failure(synced);
  }
  return renamed ? Placed::kNew : Placed::kAlreadyThere;
}

}  // namespace castool::cas
