#include "cas/layout.h"

#include <algorithm>
#include <array>
#include <random>

#include "cas/store.h"

namespace castool::cas {
namespace {

std::string fanned_out(const char* top, const base::Digest& digest) {
  return std::string(top) + "/" + digest.hex().substr(0, 2);
}

// 128 random bits: nobody else has this name.
std::string random_name() {
  std::random_device device;
  std::array<std::uint8_t, 16> bytes{};
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(device());
  return base::to_hex(bytes.data(), bytes.size());
}

}  // namespace

std::string blob_dir(const base::Digest& digest) { return fanned_out(kBlobsDir, digest); }

std::string blob_path(const base::Digest& digest) { return blob_dir(digest) + "/" + digest.hex(); }

std::string sums_dir(const base::Digest& digest) { return fanned_out(kSumsDir, digest); }

std::string sums_path(const base::Digest& digest) { return sums_dir(digest) + "/" + digest.hex(); }

std::string stamp_path(const base::Digest& digest) { return sums_path(digest) + ".stamp"; }

std::string quarantine_path(const base::Digest& digest) {
  return std::string(kQuarantineDir) + "/" + digest.hex() + "-" + random_name();
}

std::string partial_dir(const base::Digest& digest, std::string_view origin) {
  return std::string(kPartialsDir) + "/" + digest.hex() + "-" + origin_key(origin);
}

std::string alias_dir(std::string_view origin_key) {
  return std::string(kAliasesDir) + "/" + std::string(origin_key);
}

bool is_origin_key(std::string_view text) {
  return text.size() == 16 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string unique_tmp_path() { return std::string(kTmpDir) + "/" + random_name(); }

std::string unique_lease_path() { return std::string(kLeasesDir) + "/" + random_name(); }

std::string origin_key(std::string_view origin) {
  return base::Sha256::of(origin).hex().substr(0, 16);
}

}  // namespace castool::cas
