#include "cas/checksum.h"

#include <cstdlib>

#include <xxhash.h>

namespace castool::cas {

std::uint64_t xxh3(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Xxh3Stream::State {
  State() : stream(XXH3_createState()) {
    if (stream == nullptr) std::abort();  // out of memory
    XXH3_64bits_reset(stream);
  }
  ~State() { XXH3_freeState(stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* stream;
};

Xxh3Stream::Xxh3Stream() : state_(std::make_unique<State>()) {}
Xxh3Stream::~Xxh3Stream() = default;
Xxh3Stream::Xxh3Stream(Xxh3Stream&&) noexcept = default;
Xxh3Stream& Xxh3Stream::operator=(Xxh3Stream&&) noexcept = default;

void Xxh3Stream::update(std::span<const std::byte> bytes) {
  XXH3_64bits_update(state_->stream, bytes.data(), bytes.size());
}

std::uint64_t Xxh3Stream::finish() {
  const std::uint64_t value = XXH3_64bits_digest(state_->stream);
  XXH3_64bits_reset(state_->stream);
  return value;
}

}  // namespace castool::cas
