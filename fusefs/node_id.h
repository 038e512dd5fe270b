// The numbers of files and directories: what stat shows, and what the kernel knows nodes by.
//
// A file can be several nodes with one st_ino, because of what the kernel ties to a node:
//   - it is open either through the page cache or natively (native_files.h), never both at once;
//   - its cached pages are seen by all who have it open. So bytes that nobody has verified yet are
//     kept apart from verified ones, and those that have turned out wrong from those that come
//     after them: each in a variant of its own;
//   - and so do those who opened it to write: each of them has a node of its own (writer_nodes.h),
//     whose number has the native bit and the last variant, and says nothing about the file.
#pragma once

#include <cstdint>

namespace castool::fusefs {

using Ino = std::uint64_t;     // st_ino: 60 bits
using NodeId = std::uint64_t;  // an Ino, above it 3 bits of variant, and the bit of native nodes
inline constexpr Ino kRootIno = 1;
inline constexpr NodeId kNativeBit = NodeId{1} << 63;
inline constexpr unsigned kVariantShift = 60;
inline constexpr unsigned kVariants = 8;  // 0: bytes of the store; the others: not verified yet

[[nodiscard]] constexpr Ino ino_of(NodeId id) { return id & ((Ino{1} << kVariantShift) - 1); }
[[nodiscard]] constexpr bool is_native(NodeId id) { return id >> kVariantShift == 8; }
[[nodiscard]] constexpr bool is_writer(NodeId id) { return id >> kVariantShift == 15; }
[[nodiscard]] constexpr NodeId writer_node(std::uint64_t number) {
  return NodeId{15} << kVariantShift | number;
}
[[nodiscard]] constexpr unsigned variant_of(NodeId id) {
  return static_cast<unsigned>((id & ~kNativeBit) >> kVariantShift);
}
[[nodiscard]] constexpr NodeId with_variant(Ino ino, unsigned variant) {
  return ino | NodeId{variant} << kVariantShift;
}

}  // namespace castool::fusefs
