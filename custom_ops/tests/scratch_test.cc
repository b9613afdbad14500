#include "kernels/common/scratch.h"

#include <cstring>

#include "testing.h"

namespace kerasopt {
namespace {

TEST(ScratchTest, IsKeptAlignedAndHasRoomForAVector) {
  char* first = Scratch(100000);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  std::memset(first, 1, 100000 + 64);
  EXPECT_EQ(Scratch(1), first);
  EXPECT_EQ(Scratch(100000), first);
}

TEST(ScratchTest, BelongsToOneThread) {
  char* own = Scratch(1);
  char* other = nullptr;
  std::thread([&] { other = Scratch(1); }).join();
  EXPECT_NE(own, other);
}

}  // namespace
}  // namespace kerasopt
