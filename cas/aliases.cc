// What a git id of an origin is called here: symbolic links whose target is a digest, not a path.
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cas/layout.h"
#include "cas/store.h"

namespace castool::cas {
namespace {

std::string alias_path(const std::string& origin, const base::GitOid& oid) {
  return alias_dir(origin) + "/" + oid.hex();
}

}  // namespace

base::Status Store::put_alias(const std::string& origin_key, const base::GitOid& oid,
                              const base::Digest& digest) {
  CASTOOL_RETURN_IF_ERROR(require_writable());
  if (!is_origin_key(origin_key)) {
    return base::make_error(base::Code::kInternal, "not an origin key: " + origin_key);
  }
  if (find_alias(origin_key, oid) == digest) return base::ok();
  const std::string tmp = unique_tmp_path();
  CASTOOL_RETURN_IF_ERROR(files().make_dir(dir(), alias_dir(origin_key), kDirectoryMode));
  CASTOOL_RETURN_IF_ERROR(files().symlink(digest.text(), dir(), tmp));
  base::Status status =
      files().rename(dir(), tmp, dir(), alias_path(origin_key, oid), base::IfExists::kReplace);
  if (!status) (void)files().unlink(dir(), tmp);
  return status;
}

std::optional<base::Digest> Store::find_alias(const std::string& origin_key,
                                              const base::GitOid& oid) const {
  if (!is_origin_key(origin_key)) return std::nullopt;
  std::array<char, 128> target{};
  const ssize_t length =
      ::readlinkat(dir(), alias_path(origin_key, oid).c_str(), target.data(), target.size());
  if (length < 0) return std::nullopt;
  const auto digest =
      base::Digest::parse(std::string_view(target.data(), static_cast<std::size_t>(length)));
  if (!digest) return std::nullopt;
  return *digest;
}

}  // namespace castool::cas
