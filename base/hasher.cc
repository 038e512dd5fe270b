#include "base/hasher.h"

#include <cstdlib>
#include <string>

#include <openssl/evp.h>

namespace castool::base {
namespace {

// OpenSSL fails here only without memory or without its default provider: nothing can go on then.
void require(int evp_result) {
  if (evp_result != 1) std::abort();
}

class Evp {
 public:
  explicit Evp(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new()), algorithm_(algorithm) {
    require(context_ != nullptr ? 1 : 0);
    restart();
  }
  ~Evp() { EVP_MD_CTX_free(context_); }
  Evp(const Evp&) = delete;
  Evp& operator=(const Evp&) = delete;

  void restart() { require(EVP_DigestInit_ex(context_, algorithm_, nullptr)); }
  void update(const void* data, std::size_t size) {
    require(EVP_DigestUpdate(context_, data, size));
  }
  template <class Bytes>
  Bytes finish() {
    Bytes bytes;
    require(EVP_DigestFinal_ex(context_, bytes.data(), nullptr));
    restart();
    return bytes;
  }

 private:
  EVP_MD_CTX* context_;
  const EVP_MD* algorithm_;
};

}  // namespace

struct Sha256::Context {
  Evp evp{EVP_sha256()};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  context_->evp.update(bytes.data(), bytes.size());
}

Digest Sha256::finish() { return Digest(context_->evp.finish<Digest::Bytes>()); }

Digest Sha256::of(std::span<const std::byte> bytes) {
  Sha256 hasher;
  hasher.update(bytes);
  return hasher.finish();
}

struct GitBlobHasher::Context {
  Evp evp{EVP_sha1()};
};

GitBlobHasher::GitBlobHasher(std::uint64_t size) : context_(std::make_unique<Context>()) {
  const std::string header = "blob " + std::to_string(size);
  context_->evp.update(header.c_str(), header.size() + 1);  // git hashes the NUL too
}
GitBlobHasher::~GitBlobHasher() = default;
GitBlobHasher::GitBlobHasher(GitBlobHasher&&) noexcept = default;
GitBlobHasher& GitBlobHasher::operator=(GitBlobHasher&&) noexcept = default;

void GitBlobHasher::update(std::span<const std::byte> bytes) {
  context_->evp.update(bytes.data(), bytes.size());
}

GitOid GitBlobHasher::finish() { return GitOid(context_->evp.finish<GitOid::Bytes>()); }

}  // namespace castool::base
