#include "cas/deliveries.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/hasher.h"
#include "cas/layout.h"

namespace castool::cas {
namespace {

std::string delivery_dir(const std::string& origin) {
  return std::string(kDeliveriesDir) + "/" + origin_key(origin);
}

}  // namespace

base::Status note_delivery(Store& store, const std::string& origin, const base::Digest& digest) {
  if (was_delivered(store, origin, digest)) return base::ok();
  const std::string dir = delivery_dir(origin);
  CASTOOL_RETURN_IF_ERROR(store.files().make_dir(store.dir(), kDeliveriesDir, kDirectoryMode));
  CASTOOL_RETURN_IF_ERROR(store.files().make_dir(store.dir(), dir, kDirectoryMode));
  base::Status noted = store.files().symlink("delivered", store.dir(), dir + "/" + digest.hex());
  if (!noted && noted.error().sys_errno == EEXIST) return base::ok();
  return noted;
}

bool was_delivered(const Store& store, const std::string& origin, const base::Digest& digest) {
  struct stat info = {};
  const std::string path = delivery_dir(origin) + "/" + digest.hex();
  return ::fstatat(store.dir(), path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

bool may_attach(const Store& store, const std::string& origin, const base::Digest& digest) {
  static const base::Digest of_nothing = base::Sha256::of(std::string_view());
  return digest == of_nothing || was_delivered(store, origin, digest);
}

}  // namespace castool::cas
