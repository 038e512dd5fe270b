// Reading, which needs no seam: whole small files, exact runs of bytes, and directory listings.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace castool::cas {

// openat(2) for reading, never through a symbolic link at the end; nullopt when there is no such
// file.
[[nodiscard]] base::Result<std::optional<base::UniqueFd>> open_for_reading(int dir,
                                                                           const std::string& path,
                                                                           int extra_flags = 0);

// Fills `out` from `offset` as far as the file goes; returns how many bytes that were.
[[nodiscard]] base::Result<std::size_t> read_at(int fd, std::uint64_t offset,
                                                std::span<std::byte> out);

// The whole file; nullopt when there is none; kIo when it is larger than `limit`.
[[nodiscard]] base::Result<std::optional<std::string>> read_file_at(int dir,
                                                                    const std::string& path,
                                                                    std::uint64_t limit);

// fstatat(2) of the name itself, never of what a symbolic link points at; nullopt when there is no
// such file. An error is no answer: who takes it for "gone" calls a blob lost that is there.
[[nodiscard]] base::Result<std::optional<struct stat>> stat_at(int dir, const std::string& path);

// The names in a directory without "." and "..", unordered; empty when there is no such directory.
[[nodiscard]] base::Result<std::vector<std::string>> list_dir(int dir, const std::string& path);

}  // namespace castool::cas
