// XXH3-64: finds damage at memory speed. Never decides what a blob is; SHA-256 does that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace castool::cas {

[[nodiscard]] std::uint64_t xxh3(std::span<const std::byte> bytes, std::uint64_t seed = 0);

// The same over bytes that come in pieces. One thread at a time.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();
  Xxh3Stream(Xxh3Stream&&) noexcept;
  Xxh3Stream& operator=(Xxh3Stream&&) noexcept;

  void update(std::span<const std::byte> bytes);
  // The checksum of everything so far; the stream starts again from nothing.
  [[nodiscard]] std::uint64_t finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace castool::cas
