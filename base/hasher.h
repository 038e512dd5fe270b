// Streaming SHA-256 and git SHA-1, over OpenSSL's EVP (hardware SHA where the CPU has it).
// The only file of base that knows OpenSSL. One hasher belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/digest.h"

namespace castool::base {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  // The digest of everything so far; the hasher starts again from nothing.
  [[nodiscard]] Digest finish();

  [[nodiscard]] static Digest of(std::span<const std::byte> bytes);
  [[nodiscard]] static Digest of(std::string_view text) {
    return of(std::as_bytes(std::span(text)));
  }

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// The object id git gives a file of `size` bytes: sha1("blob " + decimal size + NUL + bytes).
class GitBlobHasher {
 public:
  explicit GitBlobHasher(std::uint64_t size);
  ~GitBlobHasher();
  GitBlobHasher(GitBlobHasher&&) noexcept;
  GitBlobHasher& operator=(GitBlobHasher&&) noexcept;

  void update(std::span<const std::byte> bytes);
  [[nodiscard]] GitOid finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace castool::base
