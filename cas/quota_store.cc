#include "cas/quota_store.h"

#include <cerrno>
#include <charconv>
#include <span>

#include "cas/layout.h"
#include "cas/read_file.h"
#include "cas/ref_name.h"

namespace castool::cas {
namespace {

std::string quota_path(const std::string& ns) { return std::string(kQuotasDir) + "/" + ns; }

base::Status check_namespace(const std::string& ns) {
  if (is_namespace(ns)) return base::ok();
  return base::make_error(base::Code::kUsage, "bad namespace \"" + ns + "\"",
                          "letters, digits, '_', '.' and '-', not starting with '.' or '-'");
}

base::Status replace(Store& store, const std::string& path, const std::string& text) {
  base::FileOps& files = store.files();
  const std::string tmp = unique_tmp_path();
  CASTOOL_ASSIGN(const base::UniqueFd fd,
                 files.open(store.dir(), tmp, O_WRONLY | O_CREAT | O_EXCL, kWorkMode));
  base::Status status = files.write_at(fd.get(), 0, std::as_bytes(std::span(text)));
  if (status) status = files.sync(fd.get());
  if (status) {
    status = files.rename(store.dir(), tmp, store.dir(), path, base::IfExists::kReplace);
  }
  if (!status) (void)files.unlink(store.dir(), tmp);
  return status;
}

}  // namespace

base::Result<std::optional<std::uint64_t>> read_quota(const Store& store, const std::string& ns) {
  CASTOOL_RETURN_IF_ERROR(check_namespace(ns));
  CASTOOL_ASSIGN(const auto text, read_file_at(store.dir(), quota_path(ns), 64));
  if (!text) return std::optional<std::uint64_t>();
  std::uint64_t bytes = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, bad] = std::from_chars(text->data(), end, bytes);
  if (bad != std::errc() || rest + 1 != end || *rest != '\n') {
    return base::make_error(base::Code::kStoreRefused,
                            "the quota of " + ns + " is damaged in the store",
                            "set it again with castool quota");
  }
  return std::optional(bytes);
}

base::Result<std::map<std::string, std::uint64_t>> read_quotas(const Store& store) {
  std::map<std::string, std::uint64_t> quotas;
  CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), kQuotasDir));
  for (const std::string& ns : names) {
    if (!is_namespace(ns)) continue;
    CASTOOL_ASSIGN(const auto bytes, read_quota(store, ns));
    if (bytes) quotas.emplace(ns, *bytes);
  }
  return quotas;
}

base::Status write_quota(Store& store, const std::string& ns, std::optional<std::uint64_t> bytes) {
  CASTOOL_RETURN_IF_ERROR(store.require_writable());
  CASTOOL_RETURN_IF_ERROR(check_namespace(ns));
  CASTOOL_RETURN_IF_ERROR(store.files().make_dir(store.dir(), kQuotasDir, kDirectoryMode));
  if (bytes) {
    CASTOOL_RETURN_IF_ERROR(replace(store, quota_path(ns), std::to_string(*bytes) + "\n"));
  } else {
    base::Status gone = store.files().unlink(store.dir(), quota_path(ns));
    if (!gone && gone.error().sys_errno != ENOENT) return gone;
  }
  CASTOOL_RETURN_IF_ERROR(store.files().sync_dir(store.dir(), kQuotasDir));
  return store.files().sync_dir(store.dir(), ".");
}

}  // namespace castool::cas
