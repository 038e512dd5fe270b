// What belongs to blobs that are gone.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <unordered_set>

#include "cas/layout.h"
#include "cas/read_file.h"
#include "cas/sweep.h"

namespace castool::cas {
namespace {

using Digests = std::unordered_set<base::Digest>;

bool is_stored(const Store& store, const Digests& stored, const base::Digest& digest) {
  if (stored.contains(digest)) return true;
  const auto size = store.size_of(digest);
  return !size || *size;  // it came meanwhile
}

// Best effort: a stray that stays does no harm.
void remove(Store& store, const std::string& path) {
  (void)store.files().unlink(store.dir(), path);
}

base::Status remove_stray_sums(Store& store, const Digests& stored) {
  CASTOOL_ASSIGN(const auto fans, list_dir(store.dir(), kSumsDir));
  for (const std::string& fan : fans) {
    const std::string dir = std::string(kSumsDir) + "/" + fan;
    CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), dir));
    for (const std::string& name : names) {
      const auto digest = base::Digest::parse_hex(std::string_view(name).substr(0, 64));
      if (digest && !is_stored(store, stored, *digest)) remove(store, dir + "/" + name);
    }
  }
  return base::ok();
}

base::Status remove_stray_aliases(Store& store, const Digests& stored) {
  CASTOOL_ASSIGN(const auto origins, list_dir(store.dir(), kAliasesDir));
  for (const std::string& origin : origins) {
    const std::string dir = std::string(kAliasesDir) + "/" + origin;
    CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), dir));
    std::size_t left = names.size();
    for (const std::string& name : names) {
      std::array<char, 128> target{};
      const std::string path = dir + "/" + name;
      const ssize_t length = ::readlinkat(store.dir(), path.c_str(), target.data(), target.size());
      if (length < 0) continue;
      const auto digest =
          base::Digest::parse(std::string_view(target.data(), static_cast<std::size_t>(length)));
      if (digest && is_stored(store, stored, *digest)) continue;
      remove(store, path);
      --left;
    }
    // Fails, as it should, when somebody adds one meanwhile.
    if (left == 0) (void)store.files().remove_dir(store.dir(), dir);
  }
  return base::ok();
}

base::Status remove_stray_deliveries(Store& store, const Digests& stored) {
  CASTOOL_ASSIGN(const auto origins, list_dir(store.dir(), kDeliveriesDir));
  for (const std::string& origin : origins) {
    const std::string dir = std::string(kDeliveriesDir) + "/" + origin;
    CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), dir));
    for (const std::string& name : names) {
      const auto digest = base::Digest::parse_hex(name);
      if (!digest || !is_stored(store, stored, *digest)) remove(store, dir + "/" + name);
    }
  }
  return base::ok();
}

}  // namespace

base::Status remove_strays(Store& store, const std::unordered_set<base::Digest>& stored) {
  CASTOOL_RETURN_IF_ERROR(remove_stray_sums(store, stored));
  CASTOOL_RETURN_IF_ERROR(remove_stray_deliveries(store, stored));
  return remove_stray_aliases(store, stored);
}

}  // namespace castool::cas
