// What a mount's daemon knows that its successor has to know (mount --replace), and that as bytes.
//
// Nodes are given by value: the successor need not show them in its own tree, which may have
// another layout. Only a model's directory that nobody has looked into yet is taken from there. The
// blobs of open files go along as descriptors, so that they stay what they are.
//
//   state    = u64 kHandoverVersion, connection, nodes, known, files, covers, listings
//   connection = text INIT request, text INIT reply, list of text: unanswered requests
//   nodes    = list of node; a node names others by their place in it, which comes before its own
//   node     = u64 ino, u64 parent, text name, i64 mtime, u8 kind, then by kind
//              0 blob       text digest, u64 size, u8 access, u8 has home, home if so
//              1 text       text
//              3 rewritable text place, u8 has text, text if so
//              4 link       text target
//              2 directory  u8 follows the refs, u8 is a model, (home, u8 servable) if so,
//                           u8 children: 0 not made, else list of u64: nodes
//   home     = text name, source, origin, revision, u8 kind, text manifest, u8 complete
//   known    = list of (u64 id, u64 node, u64 count, u8 unsure, u8 poisoned)
//   files    = list of (u64 id, u64 count, i32 native, u8 filling, text given out, u8 has blob)
//              and as many descriptors as there are blobs, in the same order
//   covers   = list of (text place, text digest, text, i64 mtime): of the upper layer
//   listings = u64 next handle, list of (u64 handle, u64 node)
//   list     = u64 length, the things; text = u64 length, the bytes; digests are "sha256:" and hex
// Numbers are in this machine's order: both processes run on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fusefs/known_nodes.h"
#include "fusefs/tree.h"
#include "fusefs/upper.h"

namespace castool::fusefs {

inline constexpr std::uint64_t kHandoverVersion = 3;

// Of the connection to the kernel.
struct ConnectionState {
  std::string init_request;
  std::string init_reply;
  std::vector<std::string> requests;  // taken and not answered, as they came
};

// A node that the kernel has open.
struct OpenNode {
  NodeId id = 0;
  std::uint64_t count = 0;
  std::int32_t native = 0;  // the kernel's number for the blob; 0: through the daemon
  bool filling = false;
  std::string given_out;  // FillingBlob::given_out()
  base::UniqueFd blob;    // of a stored one
};

struct OpenListing {
  std::uint64_t handle = 0;
  NodePtr directory;
};

struct HandoverState {
  ConnectionState connection;
  std::vector<KnownNodes::Entry> known;
  std::vector<OpenNode> files;
  std::vector<Upper::Placed> covers;
  std::uint64_t next_listing = 1;
  std::vector<OpenListing> listings;
};

[[nodiscard]] std::string to_bytes(const HandoverState& state);
// kUnsupported for another version, kInternal for anything that to_bytes() cannot have made.
// `tree` is the successor's; `descriptors` those that went along.
[[nodiscard]] base::Result<HandoverState> parse_handover(std::string_view bytes, const Tree& tree,
                                                         std::vector<base::UniqueFd> descriptors);

}  // namespace castool::fusefs
