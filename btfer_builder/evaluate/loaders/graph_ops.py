"""The TensorFlow operations that a SavedModel may have; all others, also of later versions, are refused.

Each of them computes with its inputs, or with variables, tables and lists of the model, and with nothing else.
Operations that print, access files, or call Python, a library or another machine are excluded.
"""

_ARITHMETIC = """
Abs AccumulateNV2 Acos Acosh Add AddN AddV2 Angle ApproximateEqual Asin Asinh Atan Atan2 Atanh BesselI0
BesselI0e BesselI1 BesselI1e Betainc BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil ClipByValue Complex
ComplexAbs Conj Cos Cosh Cross CumulativeLogsumexp Cumprod Cumsum Digamma Div DivNoNan Equal Erf Erfc Erfinv
Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan
LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum Mod Mul MulNoNan
Ndtri Neg NextAfter NotEqual Polygamma PopulationCount Pow Real RealDiv Reciprocal RightShift Rint Round
Rsqrt Sigmoid Sign Sin Sinh Sqrt Square SquaredDifference Sub Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py
Xlogy Zeta
"""

_REDUCTIONS = """
All Any ApproxTopK ArgMax ArgMin Bincount DenseBincount EuclideanNorm HistogramFixedWidth InTopK InTopKV2
L2Loss Max Mean Min NthElement Prod SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum SparseBincount
Sum TopK TopKV2 UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum
"""

_ARRAYS = """
BatchMatrixBandPart BatchMatrixDiag BatchMatrixDiagPart BatchToSpace BatchToSpaceND Bitcast BroadcastArgs
BroadcastGradientArgs BroadcastTo Concat ConcatOffset ConcatV2 Const DataFormatDimMap DataFormatVecPermute
DepthToSpace Diag DiagPart DynamicPartition DynamicStitch Empty EnsureShape ExpandDims Fill Gather GatherNd
GatherV2 GuaranteeConst Identity IdentityN InplaceAdd InplaceSub InplaceUpdate InvertPermutation LinSpace
ListDiff LowerBound MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2
MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MirrorPad NoOp OneHot OnesLike Pack Pad PadV2
ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault PreventGradient Range
Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd Select SelectV2 Shape
ShapeN Size Slice Snapshot SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient
StridedSlice TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate
TensorStridedSliceUpdate Tile Transpose ConjugateTranspose Unique UniqueV2 UniqueWithCounts
UniqueWithCountsV2 Unpack UnravelIndex UpperBound Where ZerosLike
"""

_LINEAR_ALGEBRA = """
BandedTriangularSolve BatchMatMul BatchMatMulV2 BatchMatMulV3 Cholesky Einsum FFT FFT2D FFT3D FFTND IFFT
IFFT2D IFFT3D IFFTND IRFFT IRFFT2D IRFFT3D IRFFTND LogMatrixDeterminant Lu MatMul MatrixDeterminant
MatrixExponential MatrixInverse MatrixSolve MatrixSolveLs MatrixSquareRoot MatrixTriangularSolve Qr RFFT
RFFT2D RFFT3D RFFTND SelfAdjointEigV2 SparseMatMul SparseTensorDenseMatMul Svd TridiagonalMatMul
TridiagonalSolve
"""

_LAYERS = """
AvgPool AvgPool3D BatchNormWithGlobalNormalization BiasAdd BiasAddV1 BlockLSTM BlockLSTMV2 Conv Conv2D
Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInput Conv3DBackpropInputV2 CudnnRNN
CudnnRNNV2 CudnnRNNV3 CudnnRNNCanonicalToParams CudnnRNNCanonicalToParamsV2 CudnnRNNParamsSize
DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput Dilation2D Elu FractionalAvgPool FractionalMaxPool
FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D GRUBlockCell LRN
LSTMBlockCell LeakyRelu LogSoftmax MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax Relu Relu6 Selu Softmax
SoftmaxCrossEntropyWithLogits Softplus Softsign SparseSoftmaxCrossEntropyWithLogits _FusedBatchNormEx
_FusedConv2D _FusedDepthwiseConv2dNative _FusedMatMul
"""

_QUANTISED = """
Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
QuantizeDownAndShrinkRange QuantizeV2 QuantizedAdd QuantizedAvgPool QuantizedBiasAdd QuantizedConcat
QuantizedConv2D QuantizedMatMul QuantizedMaxPool QuantizedMul QuantizedRelu QuantizedRelu6 QuantizedReshape
RequantizationRange Requantize UniformDequantize UniformQuantize UniformQuantizedAdd
UniformQuantizedClipByValue UniformQuantizedConvolution UniformQuantizedConvolutionHybrid
UniformQuantizedDot UniformQuantizedDotHybrid UniformRequantize
"""

_PICTURES = """
AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize
DecodeAndCropJpeg DecodeBase64 DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw DecodeWebP
DrawBoundingBoxes DrawBoundingBoxesV2 EncodeBase64 EncodeJpeg EncodePng ExtractGlimpse ExtractGlimpseV2
ExtractImagePatches ExtractJpegShape ExtractVolumePatches HSVToRGB ImageProjectiveTransformV2
ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4
NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps RGBToHSV ResizeArea ResizeBicubic ResizeBilinear
ResizeNearestNeighbor SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 ScaleAndTranslate
"""

_TEXT_AND_EXAMPLES = """
AsString ParseExample ParseExampleV2 ParseSingleExample ReduceJoin RegexFullMatch RegexReplace
StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower StringSplit
StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber
StringUpper Substr
"""

_SPARSE_AND_RAGGED = """
RaggedGather RaggedRange RaggedTensorToSparse RaggedTensorToTensor SparseAdd SparseConcat
SparseFillEmptyRows SparseReduceMax SparseReduceSum SparseReorder SparseReshape SparseSegmentMean
SparseSegmentSqrtN SparseSegmentSum SparseSlice SparseSoftmax SparseSplit SparseToDense
"""

_CHANCE = """
Multinomial NonDeterministicInts ParameterizedTruncatedNormal RandomGamma RandomIndexShuffle RandomPoissonV2
RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt RngReadAndSkip RngSkip
StatefulRandomBinomial StatefulStandardNormal StatefulStandardNormalV2 StatefulTruncatedNormal
StatefulUniform StatefulUniformFullInt StatefulUniformInt StatelessMultinomial
StatelessParameterizedTruncatedNormal StatelessRandomBinomial StatelessRandomGammaV2 StatelessRandomGammaV3
StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal
StatelessRandomNormalV2 StatelessRandomPoisson StatelessRandomUniform StatelessRandomUniformFullInt
StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2
StatelessRandomUniformV2 StatelessSampleDistortedBoundingBox StatelessShuffle StatelessTruncatedNormal
StatelessTruncatedNormalV2 TruncatedNormal
"""

_BRANCHES_AND_CALLS = """
Assert Case CheckNumerics CheckNumericsV2 Enter Exit FakeParam If LoopCond MapDefun Merge NextIteration
PartitionedCall RefEnter RefExit RefIdentity RefMerge RefNextIteration RefSwitch StatefulPartitionedCall
StatelessCase StatelessIf StatelessWhile Switch While
"""

_VARIABLES = """
Assign AssignAdd AssignAddVariableOp AssignSub AssignSubVariableOp AssignVariableOp DestroyResourceOp
DisableCopyOnRead IsVariableInitialized ReadVariableOp ResourceGather ResourceGatherNd ResourceScatterAdd
ResourceScatterMul ResourceScatterNdUpdate ResourceScatterSub ResourceScatterUpdate
ResourceStridedSliceAssign ScatterAdd ScatterNdUpdate ScatterSub ScatterUpdate VarHandleOp
VarIsInitializedOp Variable VariableShape VariableV2
"""

#: Saved along with some models, though only training runs them.
_TRAINING = """
ApplyAdaMax ApplyAdadelta ApplyAdagrad ApplyAdagradDA ApplyAdagradV2 ApplyAdam ApplyAddSign
ApplyCenteredRMSProp ApplyFtrl ApplyFtrlV2 ApplyGradientDescent ApplyMomentum ApplyPowerSign
ApplyProximalAdagrad ApplyProximalGradientDescent ApplyRMSProp AvgPool3DGrad AvgPoolGrad
BatchNormWithGlobalNormalizationGrad BiasAddGrad BlockLSTMGrad BlockLSTMGradV2 CholeskyGrad
Conv2DBackpropFilter Conv2DBackpropFilterV2 Conv3DBackpropFilter Conv3DBackpropFilterV2
CropAndResizeGradBoxes CropAndResizeGradImage CudnnRNNBackprop CudnnRNNBackpropV2 CudnnRNNBackpropV3
DepthwiseConv2dNativeBackpropFilter Dilation2DBackpropFilter Dilation2DBackpropInput EluGrad
FakeQuantWithMinMaxArgsGradient FakeQuantWithMinMaxVarsGradient FakeQuantWithMinMaxVarsPerChannelGradient
FractionalAvgPoolGrad FractionalMaxPoolGrad FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3
GRUBlockCellGrad IgammaGradA InvGrad LRNGrad LSTMBlockCellGrad LeakyReluGrad MaxPool3DGrad MaxPool3DGradGrad
MaxPoolGrad MaxPoolGradGrad MaxPoolGradGradV2 MaxPoolGradGradWithArgmax MaxPoolGradV2 MaxPoolGradWithArgmax
MirrorPadGrad OptionalFromValue OptionalGetValue OptionalHasValue OptionalNone QuantizeAndDequantizeV4Grad
RandomGammaGrad ReciprocalGrad Relu6Grad ReluGrad ResizeBicubicGrad ResizeBilinearGrad
ResizeNearestNeighborGrad ResourceApplyAdaMax ResourceApplyAdadelta ResourceApplyAdagrad
ResourceApplyAdagradDA ResourceApplyAdagradV2 ResourceApplyAdam ResourceApplyAdamWithAmsgrad
ResourceApplyAddSign ResourceApplyCenteredRMSProp ResourceApplyFtrl ResourceApplyFtrlV2
ResourceApplyGradientDescent ResourceApplyKerasMomentum ResourceApplyMomentum ResourceApplyPowerSign
ResourceApplyProximalAdagrad ResourceApplyProximalGradientDescent ResourceApplyRMSProp RsqrtGrad
ScaleAndTranslateGrad SeluGrad SigmoidGrad SoftplusGrad SoftsignGrad SparseSegmentMeanGrad
SparseSegmentSqrtNGrad SparseSegmentSumGrad SqrtGrad StridedSliceGrad TanhGrad TensorArrayGradV2
TensorArrayGradV3 TensorArrayGradWithShape TileGrad
"""

_TABLES_AND_LISTS = """
AnonymousHashTable EmptyTensorList HashTable HashTableV2 InitializeTable InitializeTableV2 LookupTableExport
LookupTableExportV2 LookupTableFind LookupTableFindV2 LookupTableImport LookupTableImportV2
LookupTableInsert LookupTableInsertV2 LookupTableSize LookupTableSizeV2 MutableHashTable MutableHashTableV2
StackCloseV2 StackPopV2 StackPushV2 StackV2 TensorArray TensorArrayCloseV2 TensorArrayCloseV3
TensorArrayConcatV2 TensorArrayConcatV3 TensorArrayGatherV2 TensorArrayGatherV3 TensorArrayReadV2
TensorArrayReadV3 TensorArrayScatterV2 TensorArrayScatterV3 TensorArraySizeV2 TensorArraySizeV3
TensorArraySplitV2 TensorArraySplitV3 TensorArrayV2 TensorArrayV3 TensorArrayWriteV2 TensorArrayWriteV3
TensorListConcat TensorListConcatLists TensorListConcatV2 TensorListElementShape TensorListFromTensor
TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack
TensorListPushBackBatch TensorListReserve TensorListResize TensorListScatter
TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit TensorListStack
"""

#: Names of checkpoint files, composed as text; the operations that open them are `READS` and `WRITES`.
_FILE_NAMES = "ShardedFilename ShardedFilespec"

ALLOWED = frozenset(
    [
        *_ARITHMETIC.split(),
        *_REDUCTIONS.split(),
        *_ARRAYS.split(),
        *_LINEAR_ALGEBRA.split(),
        *_LAYERS.split(),
        *_QUANTISED.split(),
        *_PICTURES.split(),
        *_TEXT_AND_EXAMPLES.split(),
        *_SPARSE_AND_RAGGED.split(),
        *_CHANCE.split(),
        *_BRANCHES_AND_CALLS.split(),
        *_VARIABLES.split(),
        *_TRAINING.split(),
        *_TABLES_AND_LISTS.split(),
        *_FILE_NAMES.split(),
    ]
)

#: Operations that read a checkpoint; only the loader's own restore may lead to them, with the loader's file name.
READS = frozenset({"RestoreV2", "Restore", "RestoreSlice"})

#: Operations that write one. Every SavedModel has them, and nothing that is loaded or called may lead to them.
WRITES = frozenset({"SaveV2", "Save", "SaveSlices", "MergeV2Checkpoints"})
