// Numbers of the on-disk formats, which are little-endian whatever the machine is.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace castool::cas {

template <std::unsigned_integral T>
void put_le(std::span<std::byte> out, std::size_t at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out[at + i] = static_cast<std::byte>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff);
  }
}

template <std::unsigned_integral T>
[[nodiscard]] T get_le(std::span<const std::byte> in, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= std::to_integer<std::uint64_t>(in[at + i]) << (8 * i);
  }
  return static_cast<T>(value);
}

}  // namespace castool::cas
