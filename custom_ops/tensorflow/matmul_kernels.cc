// CPU kernels of the matrix multiplications with packed weights.

#include "matmul_op.h"
#include "products.h"

namespace kerasopt {
namespace {

template <typename Product>
class PackedProduct : public Product {
 public:
  using Kernel = typename Product::Kernel;

  Status Init(OpKernelConstruction* context) {
    TF_RETURN_IF_ERROR(Product::Init(context));
    TF_RETURN_IF_ERROR(GetKernelShape(context, 2, &kernel_shape_));
    return GetWeightFormat(context, Product::kIsHalf, &format_);
  }

  int64_t depth() const { return kernel_shape_[0]; }
  int64_t columns() const { return kernel_shape_[1]; }

  Status GetKernel(const Tensor& weights, Cache<Kernel>* cache,
                   std::shared_ptr<const Kernel>* kernel) const {
    return Product::GetKernel(weights, {1, 1, depth(), columns(), format_}, cache, kernel);
  }

 private:
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
};

template <typename T>
using QuantizedMatMulOp = MatMulOp<PackedProduct<IntegerProduct<T>>>;

KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantizedMatMul", QuantizedMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptDynamicMatMul", MatMulOp<PackedProduct<DynamicProduct>>);
KERASOPT_REGISTER_CPU("KerasoptHalfMatMul", MatMulOp<PackedProduct<HalfProduct>>);

}  // namespace
}  // namespace kerasopt
