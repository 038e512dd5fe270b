// A value, or the errno of a reply to the kernel.
#pragma once

#include <tl/expected.hpp>

namespace castool::fusefs {

struct Errno {
  int value = 0;
};

template <class T>
class [[nodiscard]] Answer : public tl::expected<T, Errno> {
 public:
  using tl::expected<T, Errno>::expected;
  Answer(Errno e) : tl::expected<T, Errno>(tl::unexpect, e) {}
  Answer(tl::unexpected<Errno> e) : tl::expected<T, Errno>(e) {}
};

}  // namespace castool::fusefs
