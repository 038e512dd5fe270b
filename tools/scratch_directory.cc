#include "tools/scratch_directory.h"

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace castool::tools {

base::Result<ScratchDirectory> ScratchDirectory::create() {
  std::error_code error;
  const auto parent = std::filesystem::temp_directory_path(error);
  if (error) return base::errno_error(error.value(), "temporary directory");
  std::string path = (parent / "castool-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) return base::errno_error(errno, "make directory " + path);
  return ScratchDirectory(std::move(path));
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;  // what cannot be removed is a leftover in a directory for such
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace castool::tools
